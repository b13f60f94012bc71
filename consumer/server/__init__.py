"""An HTTP server that bounds whatever a client sends or leaves undone."""
