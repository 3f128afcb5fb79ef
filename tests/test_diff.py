"""What counts as a change of a domain's definition, and what is libvirt's own."""

from __future__ import annotations

import pytest

from provision.host.plan.domain_drift import edits

CHOSEN = "<loader secure='yes' readonly='yes' type='pflash' format='raw'>/usr/share/OVMF/CODE.ms.fd</loader>"
LEFT = "<loader secure='yes'/>"


def domain(loader: str) -> str:
    return f"<domain><os firmware='efi'><type machine='q35'>hvm</type>{loader}</os></domain>"


def test_firmware_that_libvirt_was_left_to_choose_is_no_edit() -> None:
    """libvirt 9 names it when the domain starts, 11 when it is defined."""
    assert edits(domain(LEFT), domain(CHOSEN)) == ()


@pytest.mark.parametrize("there", [CHOSEN.replace("CODE", "MINE"), LEFT])
def test_firmware_that_was_named_and_is_another_is_an_edit(there: str) -> None:
    assert edits(domain(CHOSEN), domain(there))
