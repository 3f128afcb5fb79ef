"""All the I/O there is, every way to reach a host, a libvirt, a QEMU; knows nothing of NICs or RSC."""
