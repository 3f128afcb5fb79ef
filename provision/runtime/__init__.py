"""What everything runs on: errors, commands and protocols, deadlines, interruption, several hosts at once."""
