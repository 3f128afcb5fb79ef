"""What `fix` tells of TAPs, as ethtool and the guest let it have its way or not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from provision.edges.files.backups import keep
from provision.host.read.processes import QEMUS
from provision.runtime.command import Result
from provision.runtime.deadline import Deadline
from provision.runtime.errors import CommandError
from provision.verbs.fix.fix import Place, fix_domain
from provision.verify.judge.verdict import NicVerdict, judge_nic
from tests.builders import FIXTURES, FakeEdges, FakeHost, features, nic
from tests.repairs import TSO4_OFF, WITHOUT_TSO4, Fixable, daemon


class Taps(FakeHost):
    """A host whose ethtool ends so, and shows the TAP so afterwards."""

    status, shows = 0, ""

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> Result:  # noqa: ARG002
        if tuple(argv) == QEMUS.run.argv:
            return super().run(argv)
        self.said.append(tuple(argv))
        if argv[0] in ("ip", "cat"):
            return Result("local", tuple(argv), 0, "[]" if argv[0] == "ip" else "1.0 1.0", "")
        if "--json" in argv:
            return Result("local", tuple(argv), 0, (FIXTURES / "ethtool-6.1" / self.shows).read_text(), "")
        # The script that runs ethtool ends well also where ethtool does not, and has its words.
        err = "netlink error: Operation not permitted\n" if self.status else ""
        return Result("local", tuple(argv), 0, "", err)


def test_an_ethtool_that_may_not_ask_is_an_error_and_not_the_guests_doing() -> None:
    host = Taps()
    host.status, host.shows = 1, "tap-guest-dropped-rsc.json"
    there = Fixable(
        daemon("<model type='virtio'/>"), host, evidence=nic(features=features("guest-dropped-rsc"))
    )

    with pytest.raises(CommandError, match="Operation not permitted"):
        there.fix()


def test_a_guest_that_keeps_it_off_is_named_and_nothing_is_called_changed() -> None:
    host = Taps()
    host.status, host.shows = 1, "tap-guest-dropped-rsc-host-asked.json"
    there = Fixable(
        daemon("<model type='virtio'/>"), host, evidence=nic(features=features("guest-dropped-rsc"))
    )
    states = iter(["guest-dropped-rsc", "guest-dropped-rsc-host-asked"])
    edges = FakeEdges(host, there.daemon)
    place = Place(edges, "local", "x", "vm", lambda: [judge_nic(nic(features=features(next(states))))], keep)

    fixed = fix_domain(place, lambda _: None, dry_run=False)

    assert fixed.changed == ()
    assert fixed.verdicts[0].finding.cause is not None
    assert fixed.verdicts[0].finding.cause.id == "guest-disabled-rsc"
    assert "did not take: the guest has it off" in fixed.notes[0]


def test_what_the_guest_dropped_is_not_blamed_on_the_host_when_a_restart_brings_it_back() -> None:
    host = Taps()
    host.status, host.shows = 1, "tap-guest-dropped-rsc-host-asked.json"
    libvirt = daemon(TSO4_OFF)
    dropped = replace(WITHOUT_TSO4, features=features("guest-dropped-rsc"))

    def verdicts() -> list[NicVerdict]:
        return [judge_nic(nic() if "start" in [verb for verb, _ in libvirt.said] else dropped)]

    place = Place(FakeEdges(host, libvirt), "local", "x", "vm", verdicts, lambda _name, _xml: "/backup")
    fixed = fix_domain(place, lambda _: None, dry_run=False, restart=Deadline(1))

    assert fixed.verdicts[0].verdict == "ready"
    assert [change.cause for change in fixed.changed] == ["guest-offloads-off"]
    assert any("the guest has it off" in note for note in fixed.notes)


@dataclass
class TwoTaps(Taps):
    """A host whose ethtool asks the one TAP and may not ask the other."""

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> Result:
        if "--json" in argv:
            found = [
                {**json.loads((FIXTURES / "ethtool-6.1" / f"tap-{name}.json").read_text())[0], "ifname": tap}
                for tap, name in (("tap0", "negotiated-by-linux"), ("tap1", "host-tx-off"))
            ]
            return Result("local", tuple(argv), 0, json.dumps(found), "")
        self.status = int("tap1" in argv)
        return super().run(argv, stdin=stdin, timeout=timeout)


def test_what_was_asked_of_one_tap_is_told_though_another_could_not_be_asked() -> None:
    off = replace(WITHOUT_TSO4, features=features("host-tx-off"))
    libvirt, host = daemon(), TwoTaps()
    verdicts = [judge_nic(off), judge_nic(replace(off, nic="net1", tap="tap1"))]
    place = Place(FakeEdges(host, libvirt), "local", "x", "vm", lambda: verdicts, lambda _name, _xml: "/b")

    fixed = fix_domain(place, lambda _: None, dry_run=False)

    assert [(change.nic, change.cause) for change in fixed.changed] == [("vm.net0", "host-disabled-checksum")]
    assert "Operation not permitted" in str(fixed.error)
    assert libvirt.said == []


def test_what_was_asked_of_a_tap_is_told_though_libvirt_is_lost_after_it() -> None:
    host = TwoTaps()
    libvirt = daemon(lost_at="define")
    off = replace(WITHOUT_TSO4, features=features("host-tx-off"))

    def verdicts() -> list[NicVerdict]:
        libvirt.runs()
        return [judge_nic(off)]

    place = Place(FakeEdges(host, libvirt), "local", "x", "vm", verdicts, lambda _name, _xml: "/b")
    fixed = fix_domain(place, lambda _: None, dry_run=False)

    assert [change.cause for change in fixed.changed] == ["host-disabled-checksum"]
    assert "libvirt is gone" in str(fixed.error)
    assert fixed.verdicts == ()
