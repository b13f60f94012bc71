"""Faults against the real worker on a real Kafka, and the checker of what must hold after them."""
