"""How good a model is, with intervals, by group and over time."""
