"""What somebody has changed in a libvirt domain by hand, in a diff's lines. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.facts.domain_compare import changed_by_hand, without_secrets

if TYPE_CHECKING:
    from provision.host.plan.diff import Diff


def edits(wanted_xml: str, there_xml: str) -> Diff:
    """What a domain has otherwise than it was defined with; what libvirt has added to it does not count."""
    return tuple(
        f"{sign} {found.path}: {words}" if words else f"{sign} {found.path}"
        for found in without_secrets(changed_by_hand, wanted_xml, there_xml)
        for sign, words in (("-", found.now), ("+", found.was))
        if words is not None
    )
