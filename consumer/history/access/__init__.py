"""The log of what is remembered, read from one state to another, and written by commands."""
