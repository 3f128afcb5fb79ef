"""Makes the driver variants of the guest from Debian's virtio_net.ko, by changing which features it acks."""

from __future__ import annotations

import struct
from types import MappingProxyType
from typing import TYPE_CHECKING

import elf

if TYPE_CHECKING:
    from collections.abc import Mapping

# Feature bits, virtio-spec 5.1.3.
CSUM, GUEST_CSUM, CTRL_GUEST_OFFLOADS, MAC = 0, 1, 2, 5
GUEST_TSO4, GUEST_TSO6, GUEST_ECN, GUEST_UFO = 7, 8, 9, 10
CTRL_VQ = 17
GUEST_USO4, GUEST_USO6, RSC_EXT = 54, 55, 61

EXPECTED = frozenset(
    {CSUM, GUEST_CSUM, CTRL_GUEST_OFFLOADS, MAC, GUEST_TSO4, GUEST_TSO6, GUEST_ECN, GUEST_UFO, CTRL_VQ}
)

# One row per variant: file name, and what stands in the table in place of a bit. A second MAC is harmless.
VARIANTS: Mapping[str, Mapping[int, int]] = MappingProxyType(
    {
        "virtio_net_no_tso": dict.fromkeys(
            (GUEST_TSO4, GUEST_TSO6, GUEST_ECN, GUEST_UFO, GUEST_USO4, GUEST_USO6), MAC
        ),
        "virtio_net_hck": {GUEST_UFO: RSC_EXT},
    }
)


def _table(module: bytes, name: str) -> tuple[int, tuple[int, ...]]:
    """Where a feature table is in the file, and its bits.

    :raise ElfError: when it does not look like virtio_net's.
    """
    offset, size = elf.object_span(module, name)
    bits = struct.unpack_from(f"<{size // 4}I", module, offset)
    if size % 4 or max(bits) > 63 or len(set(bits)) != len(bits) or not EXPECTED.issubset(bits):
        raise elf.ElfError(
            f"{name} of virtio_net.ko is not the feature table that was expected: {bits}; "
            "this kernel's driver is laid out in another way: look at it and correct guest/driver.py"
        )
    return offset, bits


def patched(module: bytes, swaps: Mapping[int, int]) -> bytes:
    """The module with other bits in its table of modern features, unsigned.

    The legacy table stays as it is: virtio core stops the kernel (BUG) when a driver asks after a bit that neither
    table has, and asks the legacy table only about devices without VERSION_1. So a variant is one on modern and
    transitional devices, and the stock driver on a device with disable-modern=on.

    :raise ElfError: when a table is not what was expected.
    """
    offset, bits = _table(module, "features")
    _, legacy_bits = _table(module, "features_legacy")
    gone = set(swaps) & set(bits)
    if not gone.issubset(legacy_bits):
        raise elf.ElfError(
            f"features_legacy of virtio_net.ko lacks some of {sorted(gone)}: the driver would stop the kernel"
        )
    words = struct.pack(f"<{len(bits)}I", *(swaps.get(bit, bit) for bit in bits))
    return elf.without_signature(module[:offset] + words + module[offset + len(words) :])
