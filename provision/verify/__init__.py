"""The verdict: collect evidence, judge it, report it, and save it for others."""
