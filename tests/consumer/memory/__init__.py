"""What is remembered: log, view and recall."""
