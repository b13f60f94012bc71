"""A real Apache Kafka for the tests: found, started, broken on purpose, read back."""
