"""Histories stated in alerts, recomputed from the log."""
