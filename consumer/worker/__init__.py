"""The worker: its loop, its budget of dead letters, what it reports."""
