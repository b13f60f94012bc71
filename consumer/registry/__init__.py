"""Claims and alerts in the formats of a Schema Registry."""
