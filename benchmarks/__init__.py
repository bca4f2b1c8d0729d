"""Measurements and long trials that are no part of the test suite (README.md here)."""
