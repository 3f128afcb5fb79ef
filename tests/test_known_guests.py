"""Known issues of guests: whom each is told of, on both sides of every boundary, and where not all is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provision.facts.frames import Flow, Frame
from provision.facts.guest import Binding
from provision.lab.queue_notes import queue_notes
from provision.tables.offloads import BY_NAME
from provision.verify.evidence import NicEvidence, Traffic
from provision.verify.judge.known import matches
from tests.builders import lab_of, nic
from tests.frames import sample_of, traffic
from tests.guests import WORKS, linux, says, windows
from tests.issues import LINUXS, NETKVMS, SERVER_2025, driver, found, machine, sure

OFF = says("NicPropertyDisabled")


@pytest.mark.parametrize(
    ("build", "has"), [(248, False), (261, False), (262, True), (285, True), (301, True), (302, False)]
)
def test_builds_whose_uso_is_lost(build: int, has: bool) -> None:  # noqa: FBT001
    assert ("1525" in sure(machine(kernel="7.0.0-3-pve", guest=driver(build)))) is has


def test_uso_is_told_of_where_it_is_lost_or_may_be() -> None:
    with_285 = machine(kernel="7.0.0-3-pve", guest=driver(285))

    assert "1525" not in found(replace(with_285, kernel="6.19.14"))
    assert "1525" in found(replace(with_285, kernel=""))
    assert "1525" not in sure(replace(with_285, kernel=""))
    assert "1525" not in found(
        replace(with_285, virtio=replace(NETKVMS, negotiated=LINUXS.negotiated - {"VIRTIO_NET_F_HOST_USO"}))
    )
    assert "1525" not in found(replace(with_285, guest=driver(285, keywords={"*UsoIPv4": "0"})))
    assert "1525" in sure(replace(with_285, guest=driver(285, keywords={"*UsoIPv4": "1"})))
    assert "1525" not in found(replace(with_285, guest=None))


@pytest.mark.parametrize(
    "version", ["1.2.4.6", "100.101.104.285", "", "28500", "100.101.104.28500.1", "a.b.c.28500"]
)
def test_a_driver_that_counts_otherwise_has_no_known_build(version: str) -> None:
    evidence = machine(kernel="7.0.0", guest=windows(driver_version=version))

    assert "1525" not in found(evidence)


def polled(build: int = 266, version: tuple[int, ...] = SERVER_2025, **changes: Any) -> NicEvidence:
    keywords = changes.pop("keywords", {"*NdisPoll": "1"})
    shape = {"vcpus": 2, "cores": 1, "queues": 2, **changes}
    return machine(guest=driver(build, version=version, keywords=keywords), **shape)


@pytest.mark.parametrize(
    ("evidence", "has"),
    [
        (polled(), True), (polled(build=261), False), (polled(build=262), True), (polled(build=284), True), (polled(build=285), False),
        (polled(version=(10, 0, 22000)), True), (polled(version=(10, 0, 20348)), False),
        (polled(cores=2), False), (polled(queues=1), False), (polled(queues=3, cores=2, vcpus=4), True),
        (polled(cores=None), False), (polled(cores=None, queues=3), True),
        (polled(keywords={}), True), (polled(keywords={"*NdisPoll": "0"}), False),
    ],
)  # fmt: skip
def test_poll_mode_hangs_with_more_queues_than_cores(evidence: NicEvidence, has: bool) -> None:  # noqa: FBT001
    assert ("1360" in sure(evidence)) is has


def test_more_queues_than_cores_alone_are_enough_to_warn_unless_another_system_runs_there() -> None:
    unknown = machine(vcpus=2, cores=1, queues=2)

    assert found(unknown) == ["1360"]
    assert sure(unknown) == []
    [match] = matches(unknown)
    assert match.untold == ("whether Windows runs there", "which Windows", "NetKVM's version")
    assert found(replace(unknown, queues=None)) == []
    assert found(replace(unknown, virtio=LINUXS)) == []
    assert found(replace(unknown, guest=linux())) == []


@pytest.mark.parametrize(("reason", "defender", "has"), [("WFPCompatibility", True, True), ("WFPCompatibility", False, False),
    ("WFPCompatibility", None, False), ("NDISCompatibility", True, False), ("NoFailure", True, False)])  # fmt: skip
def test_defender_is_known_where_wfp_keeps_rsc_off(reason: str, defender: bool | None, has: bool) -> None:  # noqa: FBT001
    assert ("1026" in found(machine(guest=windows("NoFailure", reason, defender=defender)))) is has


def of_100(again: int | None) -> Traffic | None:
    """A sample of 100 frames, so many of which came a second time; None: nobody looked."""
    if again is None:
        return None
    frames = [Frame(i * 1000, 1448, 0, i * 1448, i, whole=True, flags=16, alike=True) for i in range(1, 101)]
    late = [replace(frame, sequence=0) if i < again else frame for i, frame in enumerate(frames[1:])]
    return traffic(sample_of(Flow("ipv4", (frames[0], *late))))


@pytest.mark.parametrize(
    ("again", "version", "keyword", "has"),
    [(1, SERVER_2025, "1", True), (0, SERVER_2025, "1", False), (None, SERVER_2025, "1", False),
     (50, (10, 0, 22631), "1", False), (50, SERVER_2025, "0", False), (50, SERVER_2025, None, False)],
)  # fmt: skip
def test_poll_mode_that_loses_segments(
    again: int | None,
    version: tuple[int, ...],
    keyword: str | None,
    has: bool,  # noqa: FBT001
) -> None:
    keywords = {} if keyword is None else {"*NdisPoll": keyword}
    guest = windows(version=version, keywords=keywords)

    assert ("1026-poll" in found(machine(guest=guest, traffic=of_100(again)))) is has


@pytest.mark.parametrize(
    ("queues", "size", "vcpus", "has"),
    [
        (1, 1024, 8, False),
        (2, 1024, 8, True),
        (7, 256, 8, False),
        (8, 256, 8, True),
        (8, 256, 7, False),
        (4, 1024, 8, True),
    ],
)
def test_receive_buffers_have_their_price(queues: int, size: int, vcpus: int, has: bool) -> None:  # noqa: FBT001
    evidence = machine(queues=queues, rx_queue_size=size, vcpus=vcpus)

    assert ("861" in found(evidence)) is has
    assert ("861" in sure(replace(evidence, guest=windows()))) is has


def test_a_check_and_a_plan_say_the_same_of_what_receive_buffers_take() -> None:
    text = "version: 1\nmachines: {vm: {guest: windows, memory: 4GiB, vcpus: 8, nics: [{tap: on, queues: 4, rx_queue_size: 1024}]}}\n"
    [planned] = queue_notes(lab_of(text), ["vm"])
    [match] = matches(machine(queues=4, rx_queue_size=1024, vcpus=8, guest=windows()))

    assert match.by == ("256 MiB or more for 4096 descriptors",)
    assert "256 MiB or more of the guest's memory (4096 descriptors" in planned


def test_buffers_that_are_not_large_have_no_price() -> None:
    large = machine(queues=4, rx_queue_size=1024, vcpus=8, guest=windows())

    assert "861" in found(large)
    assert "861" not in found(replace(large, guest=windows(keywords={"MergeableBuffers": "1"})))
    assert "861" not in found(replace(large, guest=linux()))
    small = replace(NETKVMS, negotiated=NETKVMS.negotiated - {BY_NAME["guest_tso4"].virtio})
    assert "861" not in found(replace(large, virtio=small))
    assert "861" not in found(replace(large, rx_queue_size=None))


def test_mergeable_buffers_that_are_on_are_told_of() -> None:
    assert found(machine(guest=windows(keywords={"MergeableBuffers": "1"}))) == ["1641"]
    for keywords in ({"MergeableBuffers": "0"}, {}):
        assert found(machine(guest=windows(keywords=keywords))) == []


@pytest.mark.parametrize(
    ("kernel", "has"), [((6, 16, 12), False), ((6, 17, 0), True), ((7, 1, 9), True), ((7, 2, 0), False)]
)
def test_linux_guests_whose_tunnels_have_wrong_checksums(kernel: tuple[int, ...], has: bool) -> None:  # noqa: FBT001
    guest = linux()
    tunnels = replace(LINUXS, negotiated=LINUXS.negotiated | {"VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO"})
    evidence = nic(virtio=tunnels, guest=replace(guest, facts=replace(guest.facts, version=kernel)))

    assert ("host-tunnel" in sure(evidence)) is has
    assert "host-tunnel" not in found(replace(evidence, virtio=LINUXS))
    assert "host-tunnel" not in found(replace(evidence, guest=None))


def test_winnat_is_known_while_rsc_is_on() -> None:
    assert found(machine(guest=windows(nat=True))) == ["hcsshim-371"]
    assert found(machine(guest=windows(nat=True, rsc={"ipv4": OFF, "ipv6": WORKS}))) == ["hcsshim-371"]
    assert found(machine(guest=windows(nat=True, rsc={"ipv4": OFF, "ipv6": OFF}))) == []
    assert found(machine(guest=windows(nat=True, rsc={}))) == []
    for nat in (False, None):
        assert found(machine(guest=windows(nat=nat))) == []


@pytest.mark.parametrize(("version", "has"), [("0.9994.20.612", True), ("1.49.0.0", True), ("1.50.19.622", False), ("1.79.4.0", False),
    ("5.0.99.612", True), ("", True), ("?", True)])  # fmt: skip
def test_an_old_npcap_may_be_it_and_a_current_one_is_not(version: str, has: bool) -> None:  # noqa: FBT001
    npcap = Binding("INSECURE_NPCAP", "Npcap Packet Driver (NPCAP)", "npcap", version, is_filter=True)
    evidence = machine(guest=windows("NDISCompatibility", "NDISCompatibility", bindings=(npcap,)))

    assert (found(evidence) == ["npcap-70"]) is has
    assert sure(evidence) == []


def test_npcap_is_not_named_where_it_is_not_bound_or_ndis_says_nothing() -> None:
    npcap = Binding("INSECURE_NPCAP", driver="npcap")
    other = Binding("win10pcap", driver="win10pcap", is_filter=True)

    assert found(machine(guest=windows("NDISCompatibility", bindings=(npcap,)))) == ["npcap-70"]
    assert found(machine(guest=windows("NDISCompatibility", bindings=(other,)))) == []
    assert found(machine(guest=windows("WFPCompatibility", bindings=(npcap,)))) == []
    assert found(machine(guest=windows(bindings=(npcap,)))) == []
