"""A contract: one document that says what a claim is, and everything that is made of it."""
