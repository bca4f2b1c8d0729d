"""The command line: one file per command; parsing, wording, exit codes."""
