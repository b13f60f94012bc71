"""Peers in the best form their documentation offers, each in an environment of its own."""
