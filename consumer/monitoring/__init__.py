"""What is watched beside the scoring: outcomes of claims, and who owns what."""
