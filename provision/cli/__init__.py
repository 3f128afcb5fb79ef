"""The command line: arguments, wiring, exit status; one file per group of commands."""
