"""The demo guest's files, how its kernel is told to boot where there is no KVM, and a guest that does nothing."""

from __future__ import annotations

import struct
from pathlib import Path

GUEST = Path(__file__).parent.parent.parent / "build" / "guest"
"""`make guest` builds it."""

# Under TCG the kernel's look for a timer that works fails on a busy machine, where ticks come late, and then it panics
# ("IO-APIC + timer doesn't work!"). The self-tests of ciphers are a tenth of what a boot takes. A program that lies elsewhere
# at each start is translated anew at each: a login by SSH takes twice as long then. Told that a string copy is fast (ERMS, FSRM),
# the kernel copies by `rep movsb`, which TCG does byte by byte: half of what a large frame costs it, and a tenth of a boot.
CMDLINE = "console=ttyS0 quiet no_timer_check cryptomgr.notests norandmaps clearcpuid=erms,fsrm"

# The Multiboot specification 0.6.96, 3.1: with bit 16 set, addresses in the header say where what is loaded, and begins.
_MAGIC, _ADDRESSES, _AT = 0x1BADB002, 1 << 16, 1 << 20
_HEADER = struct.Struct("<8I")
_HALT = b"\xfa\xf4\xeb\xfd"
"""cli; hlt; and again, should an NMI wake it."""


def idle_kernel(path: Path) -> Path:
    """Write a kernel that halts at once, for machines that are made and ended without being asked: a boot takes 2 s of CPU."""
    checksum = -(_MAGIC + _ADDRESSES) & 0xFFFFFFFF
    header = _HEADER.pack(_MAGIC, _ADDRESSES, checksum, _AT, _AT, 0, 0, _AT + _HEADER.size)
    path.write_bytes(header + _HALT)
    return path
