"""Histories that alerts state, computed again from the log."""
