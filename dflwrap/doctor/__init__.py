"""Checks of the machine, of the install and of what an extraction needs, before the night is lost."""
