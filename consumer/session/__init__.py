"""Claims in and outcomes out under one owner."""
