"""Tools for trying out the product: the demo, and a source of synthetic claims."""
