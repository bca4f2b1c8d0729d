"""What passes between a run and another terminal: the request to stop, and what the run is at."""
