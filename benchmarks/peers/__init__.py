"""Peers in the best form their documentation describes, each in its own environment."""
