"""One face file: its segments, its metadata, and whether it is whole and harmless."""
