"""What is known of a run when its page is made: gathered from the ledger and the folders; nothing is worded here."""
