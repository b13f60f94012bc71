"""Monitoring alongside scoring: outcomes of claims, and ownership of partitions."""
