"""Programs that are measured: each reads claims, writes alerts and runs until it is ended."""
