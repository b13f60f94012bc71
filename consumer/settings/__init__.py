"""What the environment says, checked: every setting once, in the types the rooms take."""
