"""What is remembered in a PostgreSQL database that several processes read."""
