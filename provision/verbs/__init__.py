"""One file or folder a command: what it does, on edges that it is handed."""
