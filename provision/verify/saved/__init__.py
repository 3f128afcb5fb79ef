"""Evidence that is kept: recorded, written, read, and replayed."""
