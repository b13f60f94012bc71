"""Publishing outcomes, exactly once or at least once."""
