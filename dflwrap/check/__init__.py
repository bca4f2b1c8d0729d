"""Before a run: what is wrong with a folder of frames, what `extract` will make of it, and what to do."""
