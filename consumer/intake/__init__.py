"""Claims in: polling, rebalances, and taking over what another worker left."""
