"""The evidence of a NIC of which something was pasted, and nothing is known yet. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.verify.collect.pasted_notes import ABSENT
from provision.verify.evidence import NicEvidence

if TYPE_CHECKING:
    from collections.abc import Iterable


def pasted_nic(source: str, name: str, notes: Iterable[str]) -> NicEvidence:
    """A NIC by its name and where it was pasted."""
    return NicEvidence(
        host="pasted",
        machine=source,
        nic=name,
        mac="",
        tap=None,
        rsc=None,
        purpose=None,
        state="unknown",
        kind="ethernet",
        model="virtio",
        properties=ABSENT,
        virtio=ABSENT,
        features=ABSENT,
        notes=tuple(notes),
    )
