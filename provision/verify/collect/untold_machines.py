"""A lab's machines of which nothing is told: libvirt is silent, or the domain is a stranger's. Pure."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from provision.host.marks import STRANGER, is_our_domain
from provision.runtime.errors import UnreadableError
from provision.verify.evidence import Unasked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.host.state import Inventory
    from provision.lab.spec import Lab
    from provision.verify.evidence import NicEvidence


def why_untold(lab: Lab, name: str, state: Inventory) -> Sequence[str]:
    """Why nothing is told of a machine of libvirt's, and perhaps what to do; nothing where it is."""
    if state.silent:
        return (state.silent,)
    with suppress(UnreadableError):  # that is told of the domain itself
        if name in state.domains and not is_our_domain(lab, state.domains[name]):
            return (
                STRANGER,
                f"name {name} otherwise; `check --connect URI {name}` asks the domain that is there",
            )
    return ()


def untold(nics: Iterator[NicEvidence], told: Sequence[str]) -> list[NicEvidence]:
    """The lab file's NICs of such a machine: what is there is not held against them."""
    why = Unasked(told[0], final=True)
    return [
        replace(
            nic,
            tap=None,
            kind="bridge",
            model="virtio",
            bridge="",
            mtu=None,
            notes=tuple(told[1:]),
            properties=why,
            virtio=why,
        )
        for nic in nics
    ]
