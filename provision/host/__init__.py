"""One host: what is there (read), what has to change (plan), whether it can (preflight), and doing it (apply)."""
