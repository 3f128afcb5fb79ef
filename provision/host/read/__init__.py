"""Questions to a host, and what their answers come to."""
