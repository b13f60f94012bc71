"""Labelled claims, from files and from the generator."""
