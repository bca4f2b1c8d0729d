"""Is the extractor alive: time limits that are learned, and signs of work."""
