"""Entities: the people and things that fields name, and the one form of each name."""
