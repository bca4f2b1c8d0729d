"""Frames on their way to the workers: looked at, filtered, converted, and told of, ahead of them."""
