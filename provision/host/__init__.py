"""One host: what is there (read), what has to change (plan), what forbids it (preflight), doing it (apply)."""
