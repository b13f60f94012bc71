"""The pure core: records of claims in, records of alerts and dead letters out."""
