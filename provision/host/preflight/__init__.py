"""What stands in the way of a plan, all of it at once, before anything is touched. Pure."""
