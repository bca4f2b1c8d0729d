"""The durable state of a run: every frame, every attempt, every move, in one SQLite file."""
