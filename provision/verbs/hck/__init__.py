"""Machines for the HCK test: made ordinary again, and described to AutoHCK."""
