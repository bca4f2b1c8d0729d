"""How many workers each device has while an attempt runs."""
