"""What is answered over HTTP: the endpoint, the page, metrics and health."""
