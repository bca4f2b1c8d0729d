"""Folders that a run stands on: gone, full, unreadable, and back again."""
