"""`import`: an existing domain as a lab file, and what of it a lab file cannot say. Pure."""
