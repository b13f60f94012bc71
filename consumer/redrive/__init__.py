"""Dead letters back to the claims topic, or closed: the command `redrive`."""
