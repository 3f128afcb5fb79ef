"""All the I/O there is. Nothing in here knows of NICs or RSC."""
