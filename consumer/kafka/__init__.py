"""Access to Kafka: clients, topics, and everything shared by rooms that read or write."""
