"""TABLE: what `explain` tells besides the causes."""

from __future__ import annotations

from provision.runtime.templates import shipped_text

TOPICS = {
    "hck": (
        "The run-book for HLK's Run RSC Tests: the images, rscvm up examples/hlk-rsc.yaml, rscvm hck enforce while the "
        "test runs, rscvm hck cleanup, rscvm hck disarm. What `rsc: hck` switches on breaks every other traffic, and "
        "libvirt has no switch that forbids to migrate or save such a machine."
    ),
    "tap-offloads": (
        "A TAP's offloads are what its guest's driver negotiated, as long as it runs: each start of the driver sets "
        "checksum and segmentation anew, and of these `ethtool -K` can only take away, until the next start "
        "(scatter-gather, which no driver asks for, stays off until it is switched on). What lasts of them is said at the "
        "device (`rsc:` and `offloads:` in the lab file), and what is so now is looked at anew by `check`.\n\n"
        "One thing it can add: tx-tcp-mangleid-segmentation, which is off by default and no driver negotiates. With it the "
        "TAP takes large frames whose segments have one IP ID, as FreeBSD and macOS send them; without it they are cut to "
        "single segments again (`fixed-id-sender`). The guest gets such frames as any other: its TSO is all that it must have "
        "taken. It outlasts a reboot of the guest and ends with the TAP, which is gone with the machine where QEMU or libvirt "
        "made it. Of a lab's machines `mangleid: true` of the NIC keeps it: `rscvm up` sets it at each start, `rscvm apply` now, "
        "and both read it back. `rscvm fix --observe 5` sets it on the running TAP of anybody's. To keep it there, a hook of "
        "libvirt's does the same at each start; Proxmox VE's machines take the same command in a hookscript (post-start). "
        "(QEMU: TUNSETOFFLOAD at each negotiation; Linux: drivers/net/tun.c, tun_net_fix_features; net/core/dev.c, "
        "gso_features_check.) The hook:"
    ),
    "gain": (
        "`rscvm bench` measures what RSC is worth here. A frame costs its receiver a fixed sum besides its bytes: with RSC that "
        "sum is paid once for up to 64 kB. So the gain is large where frames are dear (a processor of the guest that is full, "
        "vmexits, small MTU), and small where bytes are (copying, a slow sender) or where something else gathers frames again.\n\n"
        "Seen on a Linux guest under TCG, one connection (bench/RESULTS.md); none of rscvm's defaults rests on that:\n"
        "- rx_queue_size and queues change nothing for one connection; queues are for several.\n"
        "- An MTU of 9000 leaves RSC little to gather: most of the gain is there without it.\n"
        "- A driver without mrg_rxbuf, as NetKVM by default, keeps buffers of 64 KiB as long as it has taken TSO: with `tx off` at "
        "its TAP it receives single segments in them, more slowly than a driver of a device without the offloads. The live "
        "figure is then too large, and `--reference` tells.\n"
        "- A guest with software GRO gathers single segments itself, and gains less.\n"
        "- A sender that paces (bbr) keeps the large frames from filling the receiver; iperf3's own choice is the host's.\n"
        "- String instructions, which TCG does byte by byte, make copying dear: the demo guest is told not to use them."
    ),
    "nic-settings": (
        "What ethtool sets on a physical NIC lasts until its driver is loaded anew or the host starts. `persist: "
        "link` in the lab file keeps it in a systemd .link file, which udev applies whenever the NIC appears: "
        "matched by its permanent MAC address, because its name may not be its name yet, and carrying on what the "
        "file in effect before says of naming, because udev reads only the first file that matches. Where "
        "NetworkManager owns the NIC, its own command is told instead, and not run."
    ),
}

_RUN_BOOKS = {"hck": "hck.md", "tap-offloads": "libvirt-hook.sh"}
"""Documents among the templates, told after the topic."""


def told(topic: str) -> str:
    """All there is to say of a topic."""
    book = _RUN_BOOKS.get(topic)
    more = "\n\n" + shipped_text(book) if book else ""
    return TOPICS[topic] + more
