"""Synthetic events of lines of business other than auto: for demonstrations and tests."""
