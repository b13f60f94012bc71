"""Files and streams of this machine: read with care, locked, written to the end."""
