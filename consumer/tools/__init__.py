"""For trying the product: the demo, and a source of synthetic claims."""
