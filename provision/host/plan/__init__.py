"""Spec and state to steps; each says why, and how it is taken back. Pure."""
