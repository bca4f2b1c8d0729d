"""Scripts that stand beside DeepFaceLab's own and start dflwrap: .bat for Windows, .sh elsewhere."""
