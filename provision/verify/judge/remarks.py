"""What is worth knowing of a NIC beside its verdict, by the evidence alone. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.facts.guest import NO_FAILURE
from provision.tables.failure_reasons import BY_REASON, UNNAMED
from provision.tables.families import FAMILY_NAMES
from provision.tables.offloads import BY_NAME, STANDBY
from provision.tables.profiles import PROFILES
from provision.verify.evidence import FAMILIES, Unasked
from provision.verify.judge.blockers import culprits, to_come
from provision.verify.judge.flows import MANY_AGAIN, came_again, coalesced
from provision.verify.judge.guest_rungs import answered, told, when_other_driver
from provision.verify.judge.known import matches
from provision.verify.judge.ladder import loaded, wire_like

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.facts.guest import Adapter, FamilyRsc
    from provision.verify.evidence import AskedGuest, Family, NicEvidence

UNTHROTTLED = 0xFFFFFFFF
_SOFTWARE = {True: ", which gathers by software itself", False: ", which does not gather by software"}
_SWITCH = BY_NAME["ctrl_guest_offloads"].virtio


def remarks(nic: NicEvidence) -> Iterator[str]:
    """Notes on a NIC whose machine runs."""
    if nic.state == "off":
        return
    if nic.hck and nic.lone and wire_like(nic) is False:
        yield (
            f"the test TAP has tx checksum or TSO on; on {nic.lone} nothing else can send with offloads (no address, route or uplink, "
            "no machine that offers them), so what arrives is like a wire all the same"
        )
    yield from _of_the_driver(nic)
    yield from _of_the_guest(nic)
    yield from (match.words for match in matches(nic))
    if nic.rsc in PROFILES and PROFILES[nic.rsc].warning:
        yield PROFILES[nic.rsc].warning


def _of_the_guest(nic: NicEvidence) -> Iterator[str]:
    """What the guest tells beside whether RSC is on there and works."""
    guest = answered(nic)
    if guest is None or guest.adapter is None:
        return
    if UNNAMED in {told(nic, family).reason for family in FAMILIES}:
        yield f"Windows does not say why RSC does not work: {BY_REASON[UNNAMED].fix[0]}"
    by_words: dict[str, list[str]] = {}
    for family in FAMILIES:
        for words in to_come(nic, family):
            by_words.setdefault(words, []).append(FAMILY_NAMES[family])
    for words, families in by_words.items():
        yield f"once that is gone, the guest has more against RSC ({' and '.join(families)}): {words}"
    yield from _though_it_works(nic, guest)
    yield from _of_the_adapter(nic, guest.adapter)
    yield from _by_software(nic, guest.adapter)
    if guest.facts.throttling not in (None, UNTHROTTLED):
        yield (
            f"NetworkThrottlingIndex is {guest.facts.throttling} in the guest: while something plays media there, Windows takes in so "
            "many packets a millisecond; ffffffff and a restart end that, and it is no part of RSC"
        )
    yield from (f"the guest could not tell {trouble}" for trouble in guest.facts.troubles)


def _of_the_adapter(nic: NicEvidence, adapter: Adapter) -> Iterator[str]:
    """Whose adapter it is, and what is open where Windows says that RSC works, or does not say why it does not."""
    if nic.model == "virtio" and when_other_driver(nic):
        yield (
            f"the guest's adapter is {adapter.description}, and no VirtIO adapter: what is said of NetKVM, guest_csum and guest_tso is not "
            "about it"
        )
    said = [told(nic, family) for family in FAMILIES]
    if any(rsc.operational is False and rsc.reason in ("", UNNAMED) for rsc in said) and (
        found := culprits(nic)
    ):
        yield f"why RSC is not operational is not told; bound to the adapter: {found}"
    if nic.host == "pasted" and isinstance(nic.properties, Unasked) and all(map(_has_nothing_against, said)):
        yield (
            "Windows has nothing against RSC here (NoFailure); whether the host hands large frames on is not in what was pasted: "
            "`rscvm check` on the host tells, or paste `virsh dumpxml` and `ethtool -k TAP` too"
        )


def _has_nothing_against(rsc: FamilyRsc) -> bool:
    return rsc.enabled is not False and (
        rsc.operational or (rsc.operational is None and rsc.reason == NO_FAILURE)
    )


def _by_software(nic: NicEvidence, adapter: Adapter) -> Iterator[str]:
    """What gathers in Windows itself, and is no RSC of the NIC's."""
    own = [
        family
        for family in FAMILIES
        if told(nic, family).operational
        and False in (adapter.declared.get(family), told(nic, family).supported)
    ]
    if own:
        yield (
            f"Windows says that RSC is operational, and the guest's driver has it off, or declares none, for {_both(own)}: then it is "
            "Windows' own, by software (Windows 10 1703 and later), and segments come to the guest one by one"
        )
    if adapter.switch:
        how = "" if adapter.software_rsc is None else _SOFTWARE[adapter.software_rsc]
        yield f"the guest's adapter is part of {adapter.switch}{how}: what is said of the NIC is not said of what is behind it"


def _though_it_works(nic: NicEvidence, guest: AskedGuest) -> Iterator[str]:
    """That a guest which has nothing against RSC does not get large frames all the same, or gets segments again."""
    fine = [family for family in FAMILIES if told(nic, family).operational]
    if not fine or guest.adapter is None:
        return
    cut = [family for family in fine if coalesced(nic, family) is False]
    if cut:
        yield f"the guest says NoFailure, and TCP over {_both(cut)} comes to it in frames of one segment: the fault lies before it"
    elif not _ever_coalesced(guest.adapter):
        yield "the guest says NoFailure, and its driver has not had one coalesced frame since its start"
    again, frames = came_again(nic, fine)
    if again >= MANY_AGAIN * frames > 0:
        yield (
            f"the guest says NoFailure, and {again} of {frames} frames of a sample came to it again or out of order: look for "
            "loss before you look at offloads"
        )


def _ever_coalesced(adapter: Adapter) -> bool:
    """Whether its driver had a coalesced frame, as far as it tells: by NetKVM's own counts, or else by what every driver counts."""
    counted = adapter.coalesced_host, adapter.coalesced_win
    return adapter.coalesced != 0 if None in counted else any(counted)


def _both(families: Sequence[Family]) -> str:
    return " and ".join(FAMILY_NAMES[family] for family in families)


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
