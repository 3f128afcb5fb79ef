"""What is worth knowing of a NIC beside its verdict, by the evidence alone. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.tables.offloads import BY_NAME, STANDBY
from provision.tables.profiles import PROFILES
from provision.verify.evidence import Unasked
from provision.verify.judge.known import matches
from provision.verify.judge.ladder import loaded, wire_like

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.verify.evidence import NicEvidence

_SWITCH = BY_NAME["ctrl_guest_offloads"].virtio


def remarks(nic: NicEvidence) -> Iterator[str]:
    """Notes on a NIC whose machine runs."""
    if nic.state == "off":
        return
    if nic.hck and nic.lone and wire_like(nic) is False:
        yield (
            f"the test TAP has tx checksum or TSO on; on {nic.lone} nothing else can send with offloads (no address, no uplink, "
            "no machine that offers them), so what arrives is like a wire all the same"
        )
    yield from _of_the_driver(nic)
    yield from (match.words for match in matches(nic))
    if nic.rsc in PROFILES and PROFILES[nic.rsc].warning:
        yield PROFILES[nic.rsc].warning


def _of_the_driver(nic: NicEvidence) -> Iterator[str]:
    """What the guest's driver, once it runs, has not taken, and what does not run although it was wished for."""
    facts = nic.virtio
    if isinstance(facts, Unasked) or not loaded(nic):
        return
    if (
        nic.rsc != "false"
        and BY_NAME["guest_csum"].virtio in facts.negotiated
        and _SWITCH not in facts.negotiated
    ):
        yield (
            "the guest's driver took no CTRL_GUEST_OFFLOADS: where the guest vetoes RSC after its driver's start (a filter, a "
            "setting), neither QEMU nor the TAP can be told, and nothing here shows it"
        )
    if STANDBY in facts.offered and STANDBY not in facts.negotiated:
        yield "it could stand by for a VF, and the guest's driver took no STANDBY: QEMU plugs no VF in"
    if nic.vhost_asked and not facts.vhost and not nic.cuts:
        yield (
            "vhost is wished for, and QEMU carries the packets itself: libvirt uses vhost in domains of type kvm alone, and QEMU "
            "goes on without it where it does not start (its log tells)"
        )
