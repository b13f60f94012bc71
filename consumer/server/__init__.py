"""An HTTP server that limits everything a client sends or leaves unfinished."""
