"""Hosts over somebody else's connection, which runs one command at a time and tells it when it has ended (Ansible's)."""
