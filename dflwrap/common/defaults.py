"""Defaults that the command line shows and other rooms use; in a room that costs nothing to import."""

BLURRY_BELOW = 15.0
"""Default limit of the variance of the Laplacian (Pech-Pacheco et al. 2000) at a long side of 640 pixels."""
