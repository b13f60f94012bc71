"""Files and streams of this machine: read safely, locked, written completely."""
