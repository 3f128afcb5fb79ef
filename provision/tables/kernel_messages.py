"""TABLE: lines of a host's kernel log that tell of large segments it has refused."""

from __future__ import annotations

import re
from dataclasses import dataclass

_DEVICE = r"(?<![\w.-])(?P<device>[A-Za-z0-9_][A-Za-z0-9_.-]{0,14})"


@dataclass(frozen=True, slots=True)
class KernelMessage:
    """A message, with the device that it is about, and what it means."""

    pattern: re.Pattern[str]
    meaning: str
    source: str


KERNEL_MESSAGES = (
    KernelMessage(
        re.compile(rf"{_DEVICE}: bad gso: type: [0-9]{{1,10}}, size: [0-9]{{1,10}}"),
        "the kernel refused large segments (`bad gso`): some of 2024, as 6.10.3 and the stable ones of the same weeks, take good "
        "ones for bad, and a guest then gets 100 kb/s to 15 Mb/s; run a newer kernel on the host, and do not leave TSO off for it",
        "Linux: net: drop bad gso csum_start and offset in virtio_net_hdr; kvm-guest-drivers-windows, issue 1131",
    ),
)
