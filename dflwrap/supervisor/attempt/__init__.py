"""One start of the extractor, from its batch to its record."""
