"""A trained model as a folder: its files, its manifest, its reference."""
