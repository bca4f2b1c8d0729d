"""What goes in: which files are frames, what is wrong with them, how they enter an attempt."""
