"""TABLE: the aliases of QEMU's machine types, which libvirt writes out in full when a domain is defined."""

from __future__ import annotations

_SPELLED_OUT = {"q35": "pc-q35-", "pc": "pc-i440fx-"}
"""How each alias begins in full."""


def spells_out(name: str, alias: str) -> bool:
    """Whether a machine type is a version of what an alias stands for."""
    return alias in _SPELLED_OUT and name.startswith(_SPELLED_OUT[alias])
