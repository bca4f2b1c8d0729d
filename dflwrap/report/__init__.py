"""The run as JSON (and later HTML), from the ledger alone."""
