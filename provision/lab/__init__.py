"""What was asked for: a lab file, from YAML to a spec without blanks."""
