"""Outcomes of investigations: live figures from them, and bad ones set aside."""
