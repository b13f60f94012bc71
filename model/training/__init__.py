"""Splitting, fitting, and writing the artifact."""
