"""The checked environment: every setting once, in the types the packages use."""
