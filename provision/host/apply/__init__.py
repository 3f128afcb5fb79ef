"""Runs a plan's steps, reads back, takes back: under a lock, behind the host's own undo."""
