"""Access to Kafka: clients, topics, and everything shared by packages that read or write."""
