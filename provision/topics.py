"""TABLE: what `explain` tells besides the causes, for people who look for a switch that there is not."""

from __future__ import annotations

TOPICS = {
    "tap-offloads": (
        "A TAP's offloads are what its guest's driver negotiated, as long as it runs: each start of the driver sets "
        "them anew, and `ethtool -K` can only take away from that, until the next start. A TAP that QEMU or libvirt "
        "made is gone with the machine, and all that was set on it. So there is nothing to persist, and rscvm "
        "persists nothing of a TAP: what lasts is said at the device (`rsc:` and `offloads:` in the lab file), "
        "and what is so now is looked at anew by `check`. (QEMU: TUNSETOFFLOAD at each negotiation; Linux: "
        "drivers/net/tun.c, tun_net_fix_features.)"
    ),
    "nic-settings": (
        "What ethtool sets on a physical NIC lasts until its driver is loaded anew or the host starts. `persist: "
        "link` in the lab file keeps it in a systemd .link file, which udev applies whenever the NIC appears: "
        "matched by its permanent MAC address, because its name may not be its name yet, and carrying on what the "
        "file in effect before says of naming, because udev reads only the first file that matches. Where "
        "NetworkManager owns the NIC, its own command is told instead, and not run."
    ),
}
