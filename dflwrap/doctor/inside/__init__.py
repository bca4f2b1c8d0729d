"""What runs in DeepFaceLab's own Python, in a bounded child: standard library only, Python 3.6 syntax."""
