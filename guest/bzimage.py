"""Takes the kernel out of its bzImage: an ELF file that QEMU loads as it is, where a guest under TCG unpacks for seconds."""

from __future__ import annotations

import lzma
import struct

import debian

# Documentation/arch/x86/boot.rst: sectors of the part that runs in real mode, less one; and where in what follows the packed
# kernel is, and its length, to which all ways of packing but gzip's add the length of the kernel in four bytes.
_SECTORS, _PAYLOAD = 0x1F1, struct.Struct("<II")
_PAYLOAD_AT = 0x248
_LENGTH_BYTES = 4
_XZ = b"\xfd7zXZ\0"


def unpacked(image: bytes) -> bytes:
    """The kernel of a bzImage that is packed by xz, as Debian's full kernel is.

    :raise debian.PackageError: when it is packed in another way.
    """
    offset, length = _PAYLOAD.unpack_from(image, _PAYLOAD_AT)
    start = (image[_SECTORS] + 1) * 512 + offset
    packed = image[start : start + length - _LENGTH_BYTES]
    if not packed.startswith(_XZ):
        raise debian.PackageError(f"the kernel is not packed by xz: it begins with {packed[:6]!r}")
    return lzma.decompress(packed)
