"""Files of claims: CSV, JSON lines and Parquet, read row by row in flat memory."""
