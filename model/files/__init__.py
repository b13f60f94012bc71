"""Files: read safely if they decide what the program does, and named if writing one fails."""
