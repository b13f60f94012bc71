"""Many rows at once: columns of a file instead of claims, each distinct cell read once."""
