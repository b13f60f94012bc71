"""Everything served over HTTP: the endpoint, the page, metrics and health."""
