"""Takes the kernel out of its bzImage: an ELF file that QEMU loads as it is, where a guest under TCG unpacks for seconds."""

from __future__ import annotations

import lzma
import struct
import subprocess
from typing import TYPE_CHECKING

import debian

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Documentation/arch/x86/boot.rst: sectors of the part that runs in real mode, less one; and where in what follows the packed
# kernel is, and its length, to which all ways of packing but gzip's add the length of the kernel in four bytes.
_SECTORS, _PAYLOAD = 0x1F1, struct.Struct("<II")
_PAYLOAD_AT = 0x248
_LENGTH_BYTES = 4


def _unlz4(packed: bytes) -> bytes:
    try:
        return subprocess.run(["lz4", "-dc"], input=packed, stdout=subprocess.PIPE, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        raise debian.PackageError(
            f"the kernel cannot be unpacked: {error}; needed: the package lz4"
        ) from error


_WAYS: Mapping[bytes, Callable[[bytes], bytes]] = {b"\x02\x21\x4c\x18": _unlz4, b"\xfd7zX": lzma.decompress}
"""How a kernel is unpacked, by the first bytes that it has when it is packed: Debian's cloud kernel, and the full one."""


def unpacked(image: bytes) -> bytes:
    """The kernel of a bzImage.

    :raise debian.PackageError: when it is packed in another way, or cannot be unpacked.
    """
    offset, length = _PAYLOAD.unpack_from(image, _PAYLOAD_AT)
    start = (image[_SECTORS] + 1) * 512 + offset
    packed = image[start : start + length - _LENGTH_BYTES]
    if packed[:4] not in _WAYS:
        raise debian.PackageError(f"the kernel is packed in a way that is not known here: {packed[:4]!r}")
    return _WAYS[packed[:4]](packed)
