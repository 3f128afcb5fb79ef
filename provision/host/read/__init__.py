"""Questions to a host, and what the answers come to."""
