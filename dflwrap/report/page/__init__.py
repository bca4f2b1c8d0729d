"""`report.html`: the run on one page, made from the ledger alone, in a process of its own."""
