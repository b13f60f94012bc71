"""A one-time check of what the guarantees depend on."""
