"""Trained models as arrays, without the library that trained them."""
