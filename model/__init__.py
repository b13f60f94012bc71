"""Features, training, evaluation and scoring: no Kafka, no HTTP, no environment."""
