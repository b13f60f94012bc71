"""Every command of the product under one name: ``fraud-scorer VERB``."""
