"""The user's settings: a TOML file of defaults for options, found, read, and changed without losing its comments."""
