"""What is remembered of the people and things in claims: the log, its local view, and recalling."""
