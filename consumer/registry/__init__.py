"""Claims and alerts in the forms of a Schema Registry."""
