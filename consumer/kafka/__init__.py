"""Talking to Kafka: clients, topics, and what every room that reads or writes shares."""
