"""Outcomes out, exactly once or at least once."""
