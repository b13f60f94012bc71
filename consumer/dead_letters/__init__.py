"""Records that could not be scored: kept, redacted or encrypted."""
