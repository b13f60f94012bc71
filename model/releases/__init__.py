"""Versions of a model: signed, promoted, rolled back."""
