"""Reads what the build needs from 64-bit little-endian ELF files: sections, objects, libraries, module data."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_SHT_SYMTAB = 2
_DT_NEEDED = 1
_SIGNATURE_MAGIC = b"~Module signature appended~\n"
# struct module_signature (include/linux/module_signature.h): four lengths and kinds, padding, length of the signature.
_SIGNATURE = struct.Struct(">BBBBB3xI")


class ElfError(Exception):
    """A file that is not the ELF file it should be; the message says what was looked for."""


@dataclass(frozen=True, slots=True)
class Section:
    """A section and where its bytes are in the file."""

    name: str
    kind: int
    offset: int
    size: int
    link: int


def _text(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode()


def sections(data: bytes) -> tuple[Section, ...]:
    """All sections, in the file's order: symbols name theirs by its index.

    :raise ElfError: when it is no 64-bit little-endian ELF file.
    """
    if data[:6] != b"\x7fELF\x02\x01":
        raise ElfError("not a 64-bit little-endian ELF file")
    (table,) = struct.unpack_from("<Q", data, 0x28)
    width, count, names = struct.unpack_from("<HHH", data, 0x3A)
    rows = [struct.unpack_from("<IIQQQQI", data, table + width * row) for row in range(count)]
    strings = rows[names][4]
    return tuple(
        Section(_text(data, strings + name), kind, offset, size, link)
        for name, kind, _flags, _address, offset, size, link in rows
    )


def section_bytes(data: bytes, name: str) -> bytes:
    """What is in the section of that name; empty where there is none."""
    for section in sections(data):
        if section.name == name:
            return data[section.offset : section.offset + section.size]
    return b""


def object_span(data: bytes, name: str) -> tuple[int, int]:
    """Offset in the file and size in bytes of the one object of that name in a relocatable file.

    :raise ElfError: when no symbol, or more than one, has the name.
    """
    table = sections(data)
    found: list[tuple[int, int]] = []
    for symbols in (section for section in table if section.kind == _SHT_SYMTAB):
        strings = table[symbols.link].offset
        for offset in range(symbols.offset, symbols.offset + symbols.size, 24):
            text, _info, _other, home, value, size = struct.unpack_from("<IBBHQQ", data, offset)
            if size and home < len(table) and _text(data, strings + text) == name:
                found.append((table[home].offset + value, size))
    if len(found) != 1:
        raise ElfError(f"{len(found)} objects are named {name!r} where one was expected")
    return found[0]


def needed_libraries(data: bytes) -> tuple[str, ...]:
    """The sonames that a program or library asks the loader for (DT_NEEDED); none for a static one."""
    strings = section_bytes(data, ".dynstr")
    entries = struct.iter_unpack("<QQ", section_bytes(data, ".dynamic"))
    return tuple(_text(strings, value) for tag, value in entries if tag == _DT_NEEDED)


def needed_modules(data: bytes) -> tuple[str, ...]:
    """The kernel modules that a module needs loaded before it, as its own .modinfo says."""
    for entry in section_bytes(data, ".modinfo").split(b"\0"):
        key, _, value = entry.decode().partition("=")
        if key == "depends":
            return tuple(name for name in value.split(",") if name)
    return ()


def without_signature(data: bytes) -> bytes:
    """The module without the signature at its end: a changed one with it is refused, one without it only taints."""
    if not data.endswith(_SIGNATURE_MAGIC):
        return data
    end = len(data) - len(_SIGNATURE_MAGIC) - _SIGNATURE.size
    *_kinds, signer, key, length = _SIGNATURE.unpack_from(data, end)
    return data[: end - signer - key - length]
