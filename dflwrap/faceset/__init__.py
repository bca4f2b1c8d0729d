"""What comes out: face metadata, verification of a face, reading an existing faceset, promotion.

Nothing in this room unpickles a face image with `pickle.loads`: that would run whatever the file says.
"""
