"""The loop: inventory, attempts, events, verdicts, decisions, until no frame is open."""
