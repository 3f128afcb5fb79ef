"""What a lab file's values must be to each other."""
