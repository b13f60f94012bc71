"""The command line of training and lifecycle."""
