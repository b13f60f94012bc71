"""From events and rows of files to claims, by a contract."""
