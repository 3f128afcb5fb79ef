"""Evidence to a verdict: the ladder, its causes, the first broken rung. Pure."""
