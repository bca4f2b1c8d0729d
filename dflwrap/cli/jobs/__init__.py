"""What one command extracts: one input or several, and their runs one after the other."""
