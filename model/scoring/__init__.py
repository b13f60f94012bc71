"""Claims in, probabilities, reasons and rule hits out."""
