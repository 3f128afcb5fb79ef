"""Parsers: a tool's text to facts, or UnreadableError with the text."""
