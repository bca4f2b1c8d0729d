"""The ledger is a memory, the faceset the truth: holding the two against each other, and against the clip."""
