"""Short programs to start from; each runs from a checkout as ``python -m examples.NAME``."""
