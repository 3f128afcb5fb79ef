"""The verdict: collect evidence, hold it against the rules, judge, report."""
