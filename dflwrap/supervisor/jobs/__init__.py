"""Several runs that one command starts: which they are, and how they end together."""
