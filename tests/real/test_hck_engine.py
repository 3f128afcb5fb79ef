"""QEMU's coalescing engine on machines that rscvm rendered and started, with a driver that takes it as NetKVM does.

QEMU's part is read in hw/net/virtio-net.c (virtio_net_rsc_*); what is asserted was seen on 7.2 and on 10.0.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator

import pytest

from tests.engine import link
from tests.engine.link import Verb
from tests.engine.ports import TEST_ETHERTYPE
from tests.engine.segments import (
    ACK,
    ECE,
    ENDS,
    FAMILIES,
    GSO,
    MSS,
    NEEDS_CSUM,
    PSH,
    RSC_INFO,
    SYN,
    TIMESTAMPS,
    Family,
    Segment,
    stream,
)
from tests.engine.stand import TestNic, counted, gathered, keep_wire_like, stand
from tests.real.conftest import Lab
from tests.real.hypervisor import Hypervisor

TSO: dict[Family, int] = {"ipv4": link.GUEST_TSO4, "ipv6": link.GUEST_TSO6}
BOTH = frozenset(FAMILIES)

MILLISECONDS = (20, 60, 200)
LONG = 4000
"""Milliseconds: longer than a busy machine takes over a burst. A FIN ends the hold at once."""

UNTIL_ASKED = link.NETKVM & ~link.GUEST_TSO6
"""What one of the machines takes at its boot: its command line says so."""


def machine(backend: str, kernel: dict[str, str], *nics: dict[str, object]) -> dict[str, object]:
    """One of the lab file's, with the engine guest in it."""
    return {
        "backend": backend,
        "purpose": "hck",
        "guest": "windows",
        "memory": "192MiB",
        "vcpus": 1,
        "accel": "tcg",
        "kernel": kernel,
        "nics": [{"bridge": "br-hck", **nic} for nic in nics],
    }


def holding(milliseconds: int) -> dict[str, object]:
    """A NIC with the engine, which holds for so long."""
    return {"name": f"ms{milliseconds}", "rsc": "hck", "rsc_interval": milliseconds * 1_000_000}


@pytest.fixture(scope="module")
def nics(
    engine_kernel: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, TestNic]]:
    """NICs that hold for different times, one without the engine; two machines, as each backend has its way to say it."""
    plain = {"name": "plain", "vhost": False}
    without = {**engine_kernel, "cmdline": f"{engine_kernel['cmdline']} engine.wanted={UNTIL_ASKED:#x}"}
    machines = {
        "libvirt": machine("libvirt", engine_kernel, holding(20), holding(200), holding(LONG), plain),
        "qemu": machine("qemu", without, holding(60)),
    }
    bridges = {"bridges": {"br-hck": {"address": f"{ENDS['ipv4'][0]}/24"}}}
    path = tmp_path_factory.mktemp("lab") / "lab.yaml"
    path.write_text(json.dumps({"version": 1, "hosts": {"local": bridges}, "machines": machines}))
    with Hypervisor() as host:
        host.start_libvirtd()
        lab = Lab(host, path)
        up = lab.run("up", "--no-check")
        assert up.returncode == 0, up.stderr
        with stand(
            lab, "br-hck", "libvirt.ms20", "qemu.ms60", "libvirt.ms200", f"libvirt.ms{LONG}", "libvirt.plain"
        ) as found:
            host.output(["ip", "address", "add", f"{ENDS['ipv6'][0]}/64", "dev", "br-hck", "nodad"])
            for _, other in ENDS.values():
                mac = found[f"ms{LONG}"].link.mac.hex(":")
                host.output(["ip", "neigh", "replace", other, "lladdr", mac, "dev", "br-hck"])
            yield found


@pytest.fixture
def long(nics: dict[str, TestNic]) -> TestNic:
    """The NIC that holds for long, its driver started as NetKVM starts it."""
    nic = nics[f"ms{LONG}"]
    started = nic.link.done(Verb.START, link.NETKVM)
    assert (started.negotiated, started.offloads) == (link.NETKVM, link.OFFLOADS)
    return nic


def burst(family: Family, count: int, size: int = 1000) -> list[Segment]:
    return list(stream(Segment(family, size=size), count))


def in_order(nic: TestNic, sent: list[Segment], *, counts: list[int]) -> None:
    """Segments of a flow come in frames of so many: payload whole and in order, each frame as QEMU leaves it."""
    found = nic.received(*sent)
    size = sent[0].size
    assert [(each.payload, each.intact) for each in found] == [(count * size, True) for count in counts]
    assert [each.sequence for each in found] == [1 + sum(counts[:n]) * size for n in range(len(counts))]
    for each, count in zip(found, counts, strict=True):
        as_merged = (RSC_INFO, GSO[sent[0].family], count, 0, 0, 0)
        header = (each.flags, each.gso_type, each.csum_start, each.csum_offset, each.gso_size, each.hdr_len)
        assert header == (as_merged if count > 1 else (0, 0, 0, 0, 0, 0))
        assert each.sum == ("wrong" if count > 1 else "right"), "QEMU leaves the first segment's"
        assert each.ip_sum == {"ipv6": "none"}.get(sent[0].family, each.sum)
        assert each.acknowledged == sent[0].acknowledged


@pytest.mark.parametrize(("family", "counts"), [("ipv4", [44, 1, 44, 1, 10]), ("ipv6", [45, 1, 45, 1, 8])])
def test_100_full_segments_in_order_become_frames_of_64_kib_and_what_overflows_one_comes_alone(
    long: TestNic, family: Family, counts: list[int]
) -> None:
    """The segment that would go beyond 64 KiB ends the frame before it and is handed on, not held (RSC_FINAL)."""
    in_order(long, burst(family, 100, MSS[family]), counts=counts)


# What the driver takes at its start, what it sets later over the control queue, and the families that are merged then.
NEGOTIATED = {
    "RSC_EXT is not taken": (link.NETKVM & ~link.RSC_EXT, None, frozenset[Family]()),
    "GUEST_TSO4 is not taken": (link.NETKVM & ~link.GUEST_TSO4, None, BOTH - {"ipv4"}),
    "GUEST_TSO6 is not taken": (link.NETKVM & ~link.GUEST_TSO6, None, BOTH - {"ipv6"}),
    "GUEST_TSO4 is dropped": (link.NETKVM, link.OFFLOADS & ~link.GUEST_TSO4, BOTH - {"ipv4"}),
    "GUEST_TSO6 is dropped": (link.NETKVM, link.OFFLOADS & ~link.GUEST_TSO6, BOTH - {"ipv6"}),
    "both are dropped": (link.NETKVM, link.GUEST_CSUM | link.RSC_EXT, frozenset[Family]()),
    "RSC_EXT is dropped": (link.NETKVM, link.OFFLOADS & ~link.RSC_EXT, frozenset[Family]()),
    "all is taken": (link.NETKVM, None, BOTH),
}


@pytest.mark.parametrize(("wanted", "later", "families"), NEGOTIATED.values(), ids=NEGOTIATED)
def test_a_family_is_merged_exactly_while_the_driver_has_rsc_ext_and_its_tso(
    long: TestNic, wanted: int, later: int | None, families: frozenset[Family]
) -> None:
    assert long.link.done(Verb.START, wanted).negotiated == wanted
    if later is not None:
        assert long.link.done(Verb.OFFLOADS, later).offloads == later
    for family in FAMILIES:
        in_order(long, burst(family, 5), counts=[5] if family in families else [1] * 5)
    if later is not None:
        assert long.link.done(Verb.OFFLOADS, link.OFFLOADS).offloads == link.OFFLOADS
        for family in FAMILIES:
            in_order(long, burst(family, 5), counts=[5])


def test_what_is_taken_at_boot_is_netkvms_unless_the_command_line_says_otherwise(
    nics: dict[str, TestNic],
) -> None:
    taken = [nics[name].link.done(Verb.STATE).negotiated for name in ("ms20", "ms60")]
    assert taken == [link.NETKVM, UNTIL_ASKED]


def test_nothing_is_merged_where_the_machine_has_no_flag(nics: dict[str, TestNic]) -> None:
    nic = nics["plain"]
    state = nic.link.done(Verb.STATE)
    assert (state.offered & link.RSC_EXT, state.negotiated) == (0, link.NETKVM & ~link.RSC_EXT)
    for family in FAMILIES:
        in_order(nic, burst(family, 5), counts=[1] * 5)


def test_a_device_that_was_not_asked_for_offloads_takes_none(long: TestNic) -> None:
    long.link.done(Verb.START, link.NETKVM & ~link.GUEST_TSO4)
    refused = long.link.ask(Verb.OFFLOADS, link.OFFLOADS)
    long.link.done(Verb.START, link.NETKVM & ~(link.CTRL_VQ | link.CTRL_GUEST_OFFLOADS))
    without = long.link.ask(Verb.OFFLOADS, link.OFFLOADS)

    assert (refused.failed, refused.words) == (1, "the device refuses these offloads")
    assert (without.failed, without.words) == (1, "there is no control queue")


def test_a_lone_segment_is_held_for_rsc_interval(nics: dict[str, TestNic]) -> None:
    """By the guest's clock, from a frame that QEMU does not hold; a moment when this machine is busy is forgiven."""
    held: dict[int, list[float]] = {each: [] for each in MILLISECONDS}
    for _ in range(20):
        for each in MILLISECONDS:
            held[each].append(hold_time(nics[f"ms{each}"]))
        if len(held[20]) >= 3 and all(follows(each, held[each]) for each in MILLISECONDS):
            return
    pytest.fail(f"held, in ms: {held}")


def hold_time(nic: TestNic) -> float:
    """Milliseconds between the mark and the segment that was sent after it."""
    nic.link.done(Verb.CLEAR)
    nic.link.mark(1)
    nic.ports.send(nic.link.mac, Segment("ipv4", size=100))
    mark, segment = nic.link.until(lambda found: len(found) == 2, "a mark and a segment")
    assert (mark.ethertype, segment.payload, segment.sum) == (TEST_ETHERTYPE, 100, "right")
    return (segment.when - mark.when) / 1e6


def follows(interval: int, held: list[float]) -> bool:
    """Whether they were held for it at least, and for none of the others."""
    middle = statistics.median(held)
    nearest = min(MILLISECONDS, key=lambda each: abs(math.log(middle / each)))
    return max(held) >= interval and nearest == interval


S = Segment  # for the table
# What is sent, and what comes: how many octets of payload in each frame, and how many segments that is said to be.
SHAPES = {
    "PSH does not flush": ([S("ipv4", 1, 9, PSH | ACK), S("ipv4", 10, 9, PSH | ACK)], [(18, 2)]),
    "a hole ends the hold": ([S("ipv4", 1, 9), S("ipv4", 19, 9)], [(9, 1), (9, 1)]),
    "timestamps": ([S("ipv4", 1, 9, options=TIMESTAMPS), S("ipv4", 10, 9, options=TIMESTAMPS)], [(9, 1)] * 2),
    "SYN": ([S("ipv4", 0, 0, SYN), S("ipv4", 1, 9), S("ipv4", 10, 9)], [(0, 1), (18, 2)]),
    "no DF": ([S("ipv4", 1, 9, dont_fragment=False), S("ipv4", 10, 9, dont_fragment=False)], [(9, 1)] * 2),
    "ECN over IPv4": ([S("ipv4", 1, 9, traffic_class=2), S("ipv4", 10, 9, traffic_class=2)], [(9, 1)] * 2),
    # QEMU's own: IP6_ECN tests other bits, so ECN is not seen, and DSCP AF11 is taken for it.
    "ECN over IPv6": ([S("ipv6", 1, 9, traffic_class=2), S("ipv6", 10, 9, traffic_class=2)], [(18, 2)]),
    "AF11 over IPv6": ([S("ipv6", 1, 9, traffic_class=40), S("ipv6", 10, 9, traffic_class=40)], [(9, 1)] * 2),
    # And VIRTIO_NET_TCP_FLAG, 0x3F, has no place for the two flags that the code then looks for.
    "ECE": ([S("ipv4", 1, 9, ECE | ACK), S("ipv4", 10, 9, ECE | ACK)], [(18, 2)]),
    # A duplicate ACK after data counts as a segment and is gone. Before data, the second ends the hold of the first.
    "ACKs after data": ([S("ipv4", 1, 9), *[S("ipv4", 10)] * 3], [(9, 4)]),
    "ACKs alone": ([S("ipv4", 1)] * 4, [(0, 1)] * 4),
    "ACKs before data": ([*[S("ipv4", 1)] * 3, S("ipv4", 1, 9)], [(0, 1), (0, 1), (9, 2)]),
}


@pytest.mark.parametrize(("sent", "expected"), SHAPES.values(), ids=SHAPES)
def test_what_is_merged_is_as_qemu_has_it_and_duplicate_acks_are_never_counted_as_such(
    long: TestNic, sent: list[Segment], expected: list[tuple[int, int]]
) -> None:
    """The specification has a count of duplicate ACKs in csum_offset; QEMU's seg->dup_ack is set to 0 and nowhere counted."""
    found = long.received(*sent)
    assert [(each.payload, counted([each])) for each in found] == expected
    assert {(each.csum_offset, each.intact) for each in found} == {(0, True)}


@pytest.mark.parametrize("family", FAMILIES)
def test_tx_off_at_the_tap_makes_senders_of_the_same_host_wire_like_and_nothing_else_does(
    nics: dict[str, TestNic], long: TestNic, family: Family
) -> None:
    """Who asked for it: daynix/bricklets, issue 1 (2013-03-03): "HCK checks the incoming packets' checksums are valid even
    if a Guest driver reports they are", so checksum offload was to be off at the TAP while HCK runs. The engine's author
    took that out as the default (daynix/VirtHCK, pull request 22, 2018-10-13): "at the moment there is no problem to
    use GRO during HCK tests that check RSC functionality". Measured here: without it what a sender of the same host left
    to offloads, and what GRO gathered, has lost its mark and has half a checksum, and frames are counted, not segments.
    """
    assert_marks_are_kept_without_engine(nics["plain"], family)
    assert long.offloads_on()
    assert_from_offloading(long, family, wire_like=False)
    assert counted(long.received_from_host(family, 10)) < 10
    keep_wire_like(long)
    assert_from_offloading(long, family, wire_like=True)
    assert counted(long.received_from_host(family, 10)) == 10
    long.link.done(Verb.OFFLOADS, link.OFFLOADS)
    assert long.offloads_on(), "a request over the control queue takes it back, and so does a start"
    assert_from_offloading(long, family, wire_like=False)


@pytest.mark.parametrize("family", FAMILIES)
def test_tx_off_at_the_tap_undoes_what_gro_gathered_and_nothing_else_does(
    long: TestNic, family: Family
) -> None:
    with gathered(long.host):
        assert long.offloads_on()
        found = long.received(*burst(family, 10))
        assert (sum(each.payload for each in found), all(each.intact for each in found)) == (10_000, True)
        assert counted(found) < 10
        assert not any(
            each.flags & NEEDS_CSUM or each.sum == "right" for each in found if each.payload > 1000
        )
        keep_wire_like(long)
        in_order(long, burst(family, 10), counts=[10])


def assert_from_offloading(nic: TestNic, family: Family, *, wire_like: bool) -> None:
    """One segment, a large one of five, and two of these, from a sender that leaves them to its device."""
    [small] = nic.received_offloaded(1400, Segment(family, size=1000))
    [large] = nic.received_offloaded(1400, Segment(family, size=7000))
    [both] = nic.received_offloaded(1400, *stream(Segment(family, size=7000), 2))
    assert all(each.intact for each in (small, large, both))
    assert (small.flags, small.sum) == (0, "right" if wire_like else "partial")
    assert (large.payload, large.flags, large.sum, counted([large])) == (
        (7000, RSC_INFO, "wrong", 5) if wire_like else (7000, 0, "partial", 1)
    )
    assert (both.payload, both.flags, counted([both])) == (14000, RSC_INFO, 10 if wire_like else 2)


def assert_marks_are_kept_without_engine(plain: TestNic, family: Family) -> None:
    """That it is QEMU's engine that takes them."""
    [large] = plain.received_offloaded(1400, Segment(family, size=7000))
    assert (large.flags, large.gso_type, large.gso_size) == (NEEDS_CSUM, GSO[family], 1400)
    assert (large.sum, large.intact) == ("partial", True)
