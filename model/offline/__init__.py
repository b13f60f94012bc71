"""Scoring files: batches of claims in, rows of results out, in flat memory."""
