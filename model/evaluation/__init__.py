"""Quality of a model, with intervals, by group and over time."""
