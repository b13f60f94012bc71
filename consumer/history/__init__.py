"""Commands around the log of what is remembered: looked up, forgotten, filled, and checked."""
