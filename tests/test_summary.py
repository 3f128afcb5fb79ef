"""Many verdicts at a glance: counts, order, and a table that no name breaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len

from provision.cli.libvirts import with_asking
from provision.facts.guest import Adapter, FamilyRsc, GuestFacts
from provision.runtime.safe_text import cell
from provision.verify.evidence import FAMILIES, AskedGuest, Owner, Unasked
from provision.verify.report.document import as_json
from provision.verify.report.summary import summed, table, worst_first
from provision.verify.report.text import as_text, shown
from tests.builders import virtio
from tests.frames import traffic
from tests.verdicts import HOSTILE, broken, every_kind, host_off, hostile, meant_off, off, ready, silent

Golden = Callable[[str, str], None]
NETKVM = frozenset(
    f"VIRTIO_NET_F_{name}"
    for name in ("GUEST_CSUM", "GUEST_TSO4", "GUEST_TSO6", "CTRL_VQ", "CTRL_GUEST_OFFLOADS")
)
"""What matters of what NetKVM takes: never GUEST_ECN."""


def plain(*args: Any, **options: Any) -> list[str]:
    return [line.plain for line in shown(*args, **options)]


def test_the_worst_come_first_then_the_earlier_rung_then_the_name() -> None:
    ordered = worst_first(every_kind())

    assert [(found.evidence.host, found.evidence.machine, found.evidence.nic) for found in ordered] == [
        ("local", "win2022", "net0"),  # configured
        ("hv2", "win11", "net0"),  # passed
        ("local", "win2019", "net0"),
        ("local", "spare", "net0"),  # unknown, of a cause
        ("hv2", "old", "net0"),  # unknown, of none
        ("hv2", "router", "net0"),
        ("local", "linux", "net0"),
        ("local", "linux", "net1"),
    ]


def test_every_nic_is_counted_once_by_verdict_and_by_cause() -> None:
    summary = summed(every_kind())

    assert summary.verdicts == {"not-ready": 3, "unknown": 2, "ready": 3}
    assert list(summary.causes.items()) == [
        (("not-ready", "guest-offloads-off"), 1),
        (("not-ready", "host-disabled-checksum"), 2),
        (("unknown", "machine-off"), 1),
        (("unknown", ""), 1),
    ]


def test_json_has_the_summary_beside_the_nics() -> None:
    document = as_json(every_kind())

    assert document["summary"] == {
        "ready": 3,
        "unknown": 2,
        "not-ready": 3,
        "causes": {"guest-offloads-off": 1, "host-disabled-checksum": 2, "machine-off": 1},
    }
    assert [nic["machine"] for nic in document["nics"]][:2] == ["linux", "linux"]  # as they were asked for


def test_json_of_nothing_counts_nothing() -> None:
    assert as_json([])["summary"] == {"ready": 0, "unknown": 0, "not-ready": 0, "causes": {}}


def test_the_table_comes_first_and_then_the_ladder_of_what_is_broken_alone() -> None:
    lines = plain([ready(machine="fine"), broken(machine="bad"), off(machine="spare")])

    assert [line.split()[:2] for line in lines[:4]] == [
        ["verdict", "NIC"],
        ["NOT-READY", "bad.net0"],
        ["UNKNOWN", "spare.net0"],
        ["READY", "fine.net0"],
    ]
    block = [line.plain for line in as_text([broken(machine="bad")])]
    assert [*lines[-len(block) + 1 :], ""] == block
    assert "\n".join(lines).count("  configured ") == 1


def test_what_is_worth_knowing_of_what_is_ready_is_told_once_with_whom_it_is_of() -> None:
    verdicts = [ready(machine=f"vm{i}", notes=("mind the MTU",)) for i in range(5)]
    lines = plain([*verdicts, off(machine="spare", notes=("never mind",)), broken(notes=("mind it",))])

    assert [line for line in lines if "mind the MTU" in line] == [
        "note: vm0.net0, vm1.net0, vm2.net0 and 2 more: mind the MTU"
    ]
    assert [line for line in lines if "mind it" in line] == ["  note: mind it"]
    assert "never mind" not in "\n".join(lines)
    assert "note: vm0" not in "\n".join(plain(verdicts, ladders=True))


def test_every_ladder_is_there_for_who_asks_but_of_machines_that_are_off_there_is_none() -> None:
    lines = "\n".join(plain([ready(), broken(), off(machine="spare")], ladders=True))

    assert lines.count("  configured ") == 2
    assert lines.count("spare.net0") == 1


def test_a_machine_that_is_off_is_one_line_however_many_nics_it_has() -> None:
    spare = [off(machine="spare", nic=f"net{i}", named=False) for i in range(3)]
    verdicts = [*spare, broken()]

    lines = plain(verdicts)

    assert [line.split()[:2] for line in lines[1:3]] == [["NOT-READY", "vm.net0"], ["off", "spare"]]
    assert "spare" not in "\n".join(lines[3:])


def test_what_was_seen_of_the_traffic_to_a_nic_whose_ladder_is_not_shown_is_a_line() -> None:
    busy = ready(traffic=traffic(None, size=9000))
    idle = ready(machine="idle", traffic=replace(traffic(None), frames=0, octets=0))
    cut = broken(traffic=traffic(None))

    lines = plain([busy, idle, cut, off(machine="spare", traffic=Unasked("the machine is not running"))])

    before = lines.index("") + 1
    told = [line for line in lines[before:] if "the host handed on" in line]
    assert told[0].startswith(f"idle.net0: {idle.ladder[-1].seen}")
    assert told[1].startswith(f"vm.net0: {busy.ladder[-1].seen}")
    assert [line.split()[0] for line in told[2:]] == ["observed"]
    assert not [line for line in plain([ready()]) if "watched" in line]


def test_rungs_that_were_not_asked_are_one_line() -> None:
    lines = [line.plain for line in as_text([ready(ways=())])]

    [folded] = [line for line in lines if line.startswith("  not asked")]
    assert "enabled, operational: the guest was not asked; observed: traffic was not watched" in folded
    assert not [line for line in lines if "skipped" in line]
    dark = [line.plain for line in as_text([silent()]) if "did not answer" in line.plain]
    assert dark[0] == "  offered, negotiated: ? unknown the monitor did not answer within 5 s"


def test_a_verdict_of_the_hosts_side_alone_says_so_and_what_to_run_in_windows() -> None:
    of_windows = {"virtio": replace(virtio("linux"), negotiated=NETKVM)}
    alone = plain([ready(**of_windows)])

    heading = as_text([ready()])[0].plain
    assert heading.endswith("READY (host side; the guest was not asked)")
    assert "(host side; the guest was not asked)" in alone[1]
    assert (
        "READY (host side; the guest was not asked): in Windows Get-NetAdapterRsc | Format-List" in alone[-1]
    )
    assert "Windows" not in plain([ready()])[-1]  # its driver took GUEST_ECN


@pytest.mark.parametrize(
    ("reached", "command"),
    [
        ((), "rscvm check --guest"),
        (("lab.yaml",), "rscvm check lab.yaml vm --guest"),
        (("--connect", "qemu:///system"), "rscvm check --connect qemu:///system 'the vm' --guest"),
    ],
)
def test_what_asks_the_guest_is_a_command_of_the_one_machine_that_it_is_of(
    reached: tuple[str, ...], command: str
) -> None:
    nics = [ready(nic=name, owner=Owner(domain="the vm")) for name in ("net0", "net1")]
    other = with_asking([ready(machine="b", owner=Owner(domain="b"))], reached)

    said = f"`{command}` asks it, if the QEMU guest agent runs there"
    assert plain(with_asking(nics, reached))[-1].endswith(said)
    assert "`rscvm check --guest` asks it" in plain([*with_asking(nics, reached), *other])[-1]
    of_nobodys = with_asking([ready(owner=Owner(pid=7))], ("--connect", "qemu:///system"))
    assert "`rscvm check --guest` asks it" in plain(of_nobodys)[-1]


def test_a_guest_that_has_told_leaves_nothing_to_be_asked() -> None:
    told = AskedGuest(
        GuestFacts("linux"), Adapter("eth0", rsc=dict.fromkeys(FAMILIES, FamilyRsc(enabled=True)))
    )

    assert "host side" not in "\n".join(plain([ready(guest=told)], ladders=True))
    assert "(host side; the guest did not tell)" in plain([ready(guest=Unasked("no agent"))])[1]
    assert "host side" not in "\n".join(plain([broken(), meant_off()], ladders=True))


def test_of_a_nic_that_is_nobodys_of_ours_nothing_is_said_of_whose_it_is() -> None:
    heading = as_text([broken(rsc=None, purpose=None)])[0].plain

    assert heading == "vm.net0  52:54:00:12:34:56  tap0  NOT-READY"


def test_what_is_off_as_it_is_meant_to_be_has_no_cross() -> None:
    text = "\n".join(line.plain for line in as_text([meant_off()]))

    assert "  configured   ○ off      ○ off " in text
    assert "✗" not in text
    assert as_json([meant_off()])["nics"][0]["ladder"][0]["ipv4"] == "fail"


def test_many_nics_are_a_table(golden: Golden) -> None:
    golden("report/table.txt", "\n".join(plain(every_kind())) + "\n")


def test_many_nics_fit_a_terminal(golden: Golden) -> None:
    golden("report/table-80.txt", "\n".join(plain(every_kind(), width=80)) + "\n")


def test_of_few_nothing_is_counted_by_cause() -> None:
    assert "  not ready  6  guest-offloads-off" not in plain([broken()] * 6)
    assert "  not ready  7  guest-offloads-off" in plain([broken()] * 7)


def test_nothing_is_shown_as_nothing() -> None:
    assert shown([]) == shown([], ladders=True) == []


def test_where_nothing_is_wrong_there_is_nothing_to_explain() -> None:
    assert "explain" in "\n".join(plain([broken()]))
    assert "explain" not in "\n".join([*plain([silent()]), *plain([ready()])])


def test_rsc_that_is_meant_to_be_off_is_not_sold_as_working() -> None:
    assert "RSC is off, as it is meant to be" in plain([meant_off()])[1]


def test_one_host_needs_no_column() -> None:
    assert plain([ready()])[0].split() == ["verdict", "NIC", "TAP", "why"]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("width", [None, 20, 40, 80, 200])
def test_no_name_breaks_the_table(text: str, width: int | None) -> None:
    verdicts = [hostile(text), hostile("a"), *every_kind()]

    lines = [line.plain for line in table(verdicts, width)]

    assert all(line.isprintable() for line in lines)
    words = [line.partition(" ")[0] for line in lines]
    assert [word for word in words if word and word != "verdict"] == [
        found.verdict.upper() for found in worst_first(verdicts)
    ]
    assert max(map(len, lines)) < 1000
    assert all(cell_len(line) <= (width or 1000) for line in lines)


def test_a_fix_that_is_a_command_stays_one_line_in_the_narrowest_terminal() -> None:
    assert "  fix: ethtool -K tap0 tx on" in plain([host_off(tap="tap0")], width=20)


@pytest.mark.parametrize("width", [60, 80, 140])
@pytest.mark.parametrize("ladders", [False, True])
def test_every_line_but_code_fits_the_terminal_and_not_a_word_is_lost(width: int, *, ladders: bool) -> None:
    verdicts = [*every_kind(), broken(machine="w" * 30, rsc=None)]

    narrow, wide = (plain(verdicts, ladders=ladders, width=each) for each in (width, None))

    assert all(cell_len(line) <= width or line.startswith("  fix: libvirt: <driver>") for line in narrow)
    words = [Counter("".join("\n".join(lines).split())) for lines in (narrow, wide)]
    assert not words[1] - words[0] - Counter("verdictNICTAPhostwhy")


@pytest.mark.parametrize(
    ("text", "most", "cut"),
    [
        ("vnet0", 5, "vnet0"),
        ("vnet10", 5, "vnet…"),
        ("漢字", 3, "漢…"),
        ("漢字", 4, "漢字"),
        ("\x1b[2J", 40, "\\x1b[2J"),
        ("a" + "\u0301" * 99, 3, "a\u0301…"),
        ("x", 0, ""),
    ],
)
def test_a_cell_keeps_to_its_columns(text: str, most: int, cut: str) -> None:
    assert cell(text, most) == cut


def test_a_fix_can_be_pasted_whatever_the_tap_is_called() -> None:
    assert host_off(tap="a;reboot").fix[0] == "ethtool -K 'a;reboot' tx on"
