"""From claims to probabilities, reasons and rule hits."""
