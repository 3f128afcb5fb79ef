"""A guest itself, by every way into it: its agent, SSH, WinRM."""
