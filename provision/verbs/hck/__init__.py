"""Commands on machines for the HCK test."""
