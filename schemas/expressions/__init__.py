"""Expressions over a claim's fields, for derived facts and rules: read and typed here."""
