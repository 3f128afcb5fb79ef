"""All the I/O there is; nothing in here knows of NICs or RSC."""
