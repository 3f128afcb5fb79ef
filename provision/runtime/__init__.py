"""What everything runs on: errors, commands, protocols, deadlines, interruption, several hosts at once."""
