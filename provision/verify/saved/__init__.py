"""Evidence: what was asked and answered, kept as files, and judged again elsewhere."""
