"""Hosts over somebody else's connection (Ansible's), by which one command at a time is run."""
