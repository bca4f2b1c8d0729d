"""What only Windows has, behind functions that do nothing elsewhere."""
