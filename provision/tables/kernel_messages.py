"""TABLE: lines of a kernel's log that tell of large segments it has refused."""

from __future__ import annotations

import re
from dataclasses import dataclass

from provision.tables.known_issues import BY_ID

_DEVICE = r"(?<![\w.-])(?P<device>[A-Za-z0-9_][A-Za-z0-9_.-]{0,14})"
_REFUSED = BY_ID["1131"]


@dataclass(frozen=True, slots=True)
class KernelMessage:
    """A message, with the device that it is about, and what it means."""

    pattern: re.Pattern[str]
    meaning: str
    source: str


KERNEL_MESSAGES = (
    KernelMessage(
        re.compile(rf"{_DEVICE}: bad gso: type: [0-9]{{1,10}}, size: [0-9]{{1,10}}"),
        "`bad gso`: the kernel whose log this is dropped large frames that came in by this virtio NIC. Some of August 2024 take good "
        f"ones for bad (known issue {_REFUSED.id}; mended in {_REFUSED.until}; `rscvm explain {_REFUSED.id}`): run a newer kernel on that "
        "machine, and on its host, where what guests send is dropped without a line; do not leave TSO off for it",
        "Linux drivers/net/virtio_net.c (receive_buf) alone says it; what guests send by a TAP is refused by the same check",
    ),
)
