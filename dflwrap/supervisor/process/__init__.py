"""Starting, guarding and ending a process tree, and its streams."""
