"""Records that could not be scored: kept, redacted, encrypted, and sent back."""
