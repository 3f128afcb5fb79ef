"""One file a command: what it does, on edges that it is handed."""
