"""The words of a diagnosis and of a run's end."""
