"""Files that decide what the program does: read safely."""
