"""A spec as texts that other programs read: domain XML, QEMU argv, .link files, AutoHCK's files."""
