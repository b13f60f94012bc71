"""Signs that a feature reveals the label."""
