"""Verdicts as text, JSON, JUnit and HTML."""
