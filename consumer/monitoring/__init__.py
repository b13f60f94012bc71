"""Monitoring alongside scoring: ownership of partitions."""
