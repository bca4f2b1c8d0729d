"""The rules: what a cause looks like, how the catalogue is loaded, and how it is held against lines."""
