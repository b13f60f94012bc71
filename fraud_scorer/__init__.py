"""Every command of the product under one name: ``fraud-scorer VERB``."""

VERSION = "0.2.0"
"""Of all four packages. Stated here as well as in pyproject.toml, so that a checkout that is not
installed and the image can report it."""
