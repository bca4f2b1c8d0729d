"""The faces of a frame: detector, mesh, and the 68 points."""
