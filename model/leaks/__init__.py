"""Signs that a feature knows the label."""
