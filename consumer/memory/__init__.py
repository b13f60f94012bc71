"""What is remembered about people and things in claims: the log, its local view, and recall."""
