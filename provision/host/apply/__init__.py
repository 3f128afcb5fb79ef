"""Take steps, read back, take back: under a lock, behind the host's own undo."""
