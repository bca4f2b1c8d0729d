"""Looking at runs from outside: what they are at, or how they ended, from their ledgers alone."""
