"""Checks of a lab file's values against each other."""
