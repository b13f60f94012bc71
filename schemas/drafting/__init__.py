"""A first contract for a file of claims, guessed from its names and its values."""
