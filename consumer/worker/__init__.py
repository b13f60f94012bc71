"""The worker: its loop, its dead-letter budget, and what it reports."""
