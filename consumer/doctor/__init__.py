"""One look at what the guarantees rest on."""
