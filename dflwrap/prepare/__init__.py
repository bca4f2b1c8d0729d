"""A clean copy of a folder of frames, or of a video; the originals stay untouched."""
