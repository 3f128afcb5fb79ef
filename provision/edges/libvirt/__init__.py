"""A libvirt daemon, through libvirt-python."""
