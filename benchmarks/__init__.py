"""Measurements against the bare client, hand-written loops and peers: ``python -m benchmarks``."""
