"""Input of claims: polling, rebalances, and taking over what another worker left."""
