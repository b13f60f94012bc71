"""The product as its user runs it: processes, and a real Apache Kafka."""
