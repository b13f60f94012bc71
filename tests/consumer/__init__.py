"""Tests of the consumer that need no broker."""
