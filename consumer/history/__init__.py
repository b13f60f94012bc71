"""Commands for the log of what is remembered: they look up, forget, fill and check."""
