"""The commands of ``python -m schemas``."""
