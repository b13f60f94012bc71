"""Studies of features and parameters behind the defaults."""
