"""A guest that drives virtio-net as NetKVM does, without Windows and without a kernel module, and what tests say to it.

`*.c` make a static program that is `/init` of an initramfs on the demo guest's kernel; `compiled.py` builds it. `init.c`
serves requests, `nic.c` is the driver, `pci.c` the way to the device, `ring.c` its queues, `frame.c` judges what came.
`trial.c` is the last two on this machine, so that tests can lie to them. `link.py` talks to the guest over the very NIC
that is tested, in frames that QEMU's engine does not look at; `segments.py` makes TCP segments; `ports.py` has the sockets
that send them, with and without offloads.

What it takes of NetKVM: the features that decide how frames are received (init.c), no mergeable buffers, the order of its
start. What it is not: NDIS, Windows' TCP, or proof that HLK's test passes.
"""
