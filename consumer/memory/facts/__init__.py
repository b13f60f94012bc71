"""What is kept of claims, and what follows from it for the entities they name."""
