"""Reports and cards for people."""
