"""What runs in the child process that decodes images: a broken file may kill it, never the run."""
