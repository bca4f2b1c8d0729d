"""The person at the terminal: what is drawn, what is asked, which signals are heard."""
