"""Guests are asked by their ways in, in their order; what they tell is joined by MAC address, kept, and judged again."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provision.api.saved import judged_from, recorded
from provision.lab.load import parse_lab
from provision.runtime.command import Result
from provision.runtime.deadline import Deadline, limited, own_limit
from provision.runtime.errors import DeadlineError, HostError, RequestError, SilentError
from provision.runtime.guest_channel import GuestWay, Script
from provision.runtime.places import Target
from provision.verbs.check import Look, check
from provision.verify.collect.asked_ways import named_ways
from provision.verify.collect.guest_answers import Told, agent_way, ask_guests, with_guest
from provision.verify.collect.source import domain_source
from provision.verify.evidence import AskedGuest, Owner, Unasked
from provision.verify.judge.verdict import NicVerdict
from provision.verify.saved.files import Request
from provision.verify.saved.kept_lab import restored_lab, saved_lab
from provision.verify.saved.record import Recorder
from provision.verify.saved.replay import Replay
from provision.verify.saved.rows import into
from tests.asked_guests import BY_AGENT, MAC, Guest, GuestEdges, answer, edges, host
from tests.builders import FakeHost, FakeMonitor, nic


def test_the_first_way_that_answers_is_taken_and_the_next_are_left_alone() -> None:
    ssh, winrm = GuestWay("ssh", "windows"), GuestWay("winrm", "windows", address="w", user="u")
    last = Guest(answer())
    ways = GuestEdges(guests={"ssh": Guest(answer("WFPCompatibility")), "winrm u@w": last})

    told = ask_guests(ways, "local", {"vm": [BY_AGENT, ssh, winrm]})["vm"]

    assert isinstance(told, Told)
    assert told.way == ssh
    assert told.facts.adapters[0].rsc["ipv4"].reason == "WFPCompatibility"
    assert not last.scripts


def test_two_guests_at_one_address_are_told_apart_by_their_ports_also_in_evidence() -> None:
    ways = {
        name: GuestWay("ssh", "windows", name, target=Target(name, "127.0.0.1", port, "root"))
        for name, port in (("a", 2222), ("b", 2223))
    }
    there = GuestEdges(
        guests={str(ways["a"]): Guest(answer("WFPCompatibility")), str(ways["b"]): Guest(answer())}
    )
    recorder = Recorder(there)
    before = ask_guests(recorder, "local", {name: [way] for name, way in ways.items()})

    after = ask_guests(Replay(recorder.rows, "x"), "local", {"b": [ways["b"]], "a": [ways["a"]]})

    assert after == before
    assert before["a"] != before["b"]


def test_of_a_guest_that_answers_by_no_way_every_ways_own_error_is_told() -> None:
    ways = GuestEdges(guests={"ssh": Guest(HostError("it hung up"))})
    password = Guest(RequestError("WIN_PW is not set"))
    ways.guests = {**ways.guests, "winrm u@w": password}

    told = ask_guests(
        ways,
        "local",
        {"vm": [BY_AGENT, GuestWay("ssh", "windows"), GuestWay("winrm", "windows", address="w", user="u")]},
    )["vm"]

    assert isinstance(told, Unasked)
    assert told.reason == (
        "the guest agent leads nowhere (build it); ssh: it hung up; winrm u@w: WIN_PW is not set"
    )


@pytest.mark.parametrize(
    "said", ["", "no JSON", '{"rscvm":"windows/2"}', '{"rscvm":"windows/1","adapters":{}', "\x00" * 5000]
)
def test_an_answer_that_cannot_be_read_is_that_ways_error(said: str) -> None:
    told = ask_guests(GuestEdges(guests={"the guest agent": Guest(said)}), "local", {"vm": [BY_AGENT]})["vm"]

    assert isinstance(told, Unasked)
    assert "cannot read" in told.reason


def test_a_guest_that_is_another_system_than_the_lab_says_is_asked_about() -> None:
    class Without(Guest):
        def run(self, script: Script, *, timeout: float) -> Result:  # noqa: ARG002
            return Result("guest", ("powershell.exe", "-x"), 127, "", "not found")

    told = ask_guests(GuestEdges(guests={"the guest agent": Without("")}), "local", {"vm": [BY_AGENT]})["vm"]

    assert isinstance(told, Unasked)
    assert told.reason == "the guest agent: it has no powershell.exe (is it a Windows?)"


def test_a_paused_machines_guest_that_must_answer_is_told_to_be_paused() -> None:
    paused = with_guest(nic(machine="vm", state="paused"), {}, must=True)

    assert paused.guest == Unasked("the machine is paused, and its guest with it", final=True)
    assert with_guest(nic(machine="vm", state="paused"), {}, must=False).guest is None


@pytest.mark.parametrize(
    ("chardevs", "words"),
    [
        ([{"label": "a", "filename": "disconnected:unix:/run/qga,server=on", "frontend-open": False}], "no agent runs in it"),
        ([{"label": "a", "filename": "unix:/run/qga,server=on", "frontend-open": True}], "an agent hangs in it"),
        ([{"label": "b", "filename": "unix:/run/other,server=on", "frontend-open": False}], ""),
        ("no list", ""),
        ([{"filename": "unix:/run/qga", "frontend-open": "no"}], ""),
    ],
)  # fmt: skip
def test_a_silent_agent_at_a_socket_is_told_from_none_by_what_qemu_says_of_its_port(
    chardevs: Any, words: str
) -> None:
    [way] = agent_way(nic(owner=Owner(7, agent="/run/qga", monitor="/run/qmp")))

    def reason(error: HostError) -> str:
        silent = {"the guest agent": Guest(error)}
        there = GuestEdges(qmp=FakeMonitor({"query-chardev": chardevs}), guests=silent)
        told = ask_guests(there, "local", {"vm": [way]})["vm"]
        assert isinstance(told, Unasked)
        return told.reason

    told = reason(SilentError("it does not answer", hint="install it"))
    assert told.startswith("the guest agent: it does not answer (install it)")
    assert words in told
    assert bool(words) is ("the port open" in told)
    for answered in (HostError("it does not run a script"), DeadlineError("a script did not end")):
        assert reason(answered) == f"the guest agent: {answered}"


def test_a_machine_without_a_way_in_says_so() -> None:
    told = ask_guests(GuestEdges(), "local", {"vm": []})["vm"]

    assert isinstance(told, Unasked)
    assert "no way in" in told.reason


def test_adapters_are_matched_by_mac_whatever_they_are_called() -> None:
    [told] = ask_guests(edges(), "local", {"vm": [BY_AGENT]}).values()

    mine = with_guest(nic(machine="vm", mac=MAC.upper()), {"vm": told}, must=False)
    other = with_guest(nic(machine="vm", mac="52:54:00:00:00:99"), {"vm": told}, must=False)

    assert isinstance(mine.guest, AskedGuest)
    assert mine.guest.adapter is not None
    assert isinstance(other.guest, AskedGuest)
    assert other.guest.adapter is None


LAB = """\
version: 1
machines:
  win:
    guest: windows
    memory: 1GiB
    nics: [{bridge: br0, mac: "52:54:00:12:34:56"}]
    ask:
      - winrm: {address: 10.0.0.2, user: Administrator, password_env: WIN_PW, tls: false}
      - agent
      - ssh: {address: 10.0.0.2, user: Administrator, port: 2222, identity: /k}
  mute: {guest: linux, memory: 1GiB}
"""


def test_the_ways_of_a_lab_file_are_in_its_order() -> None:
    lab = parse_lab(LAB, "lab.yaml", "/srv", {})
    machine = nic(machine="win", owner=Owner(domain="win"))

    winrm, agent, ssh = named_ways(lab, machine)

    assert (winrm.kind, winrm.address, winrm.user, winrm.password_env, winrm.tls) == (
        "winrm",
        "10.0.0.2",
        "Administrator",
        "WIN_PW",
        False,
    )
    assert (agent.kind, agent.domain, agent.system) == ("agent", "win", "windows")
    assert ssh.target is not None
    assert (ssh.target.address, ssh.target.user, ssh.target.port, ssh.target.identity) == (
        "10.0.0.2",
        "Administrator",
        2222,
        "/k",
    )
    assert ssh.target.place == "machines.win.ask[2].ssh"
    assert named_ways(lab, replace(machine, machine="mute")) == ()


def test_the_agent_of_a_machine_that_no_libvirt_has_is_at_its_socket_of_its_own_process() -> None:
    [way] = agent_way(nic(owner=Owner(7, agent="/run/qga", uid=64055)))

    assert way.socket == "/run/qga"
    assert way.listener is not None
    assert (way.listener.pid, way.listener.uid) == (7, 64055)
    assert agent_way(nic()) == ()


def verdict_of(look: Look, there: GuestEdges) -> NicVerdict:
    [verdict] = check(domain_source(there, "local", ("vm",)), look)
    return verdict


def test_domains_are_asked_by_their_agents_only_where_guests_must_answer() -> None:
    there = edges("NDISCompatibility")

    assert verdict_of(Look(), there).evidence.guest is None
    asked = verdict_of(Look(guest=True), there)

    assert asked.finding.cause is not None
    assert asked.finding.cause.id == "ndis-compatibility"


def test_what_a_guest_told_is_kept_and_judged_again_elsewhere(tmp_path: Path) -> None:
    there = edges("ForwardingEnabled")
    request = Request(connect="qemu:///system", names=("vm",), guest=True)
    with recorded(there, str(tmp_path / "kept"), request) as kept:
        [before] = check(domain_source(kept, "local", ("vm",)), Look(guest=True))

    [outcome] = judged_from(str(tmp_path / "kept"), None)

    assert outcome.value is not None
    [after] = outcome.value
    assert after.finding == before.finding
    assert after.evidence.guest == before.evidence.guest
    assert after.finding.cause is not None
    assert after.finding.cause.id == "forwarding-enabled"
    assert [path.name for path in (tmp_path / "kept" / "local").iterdir() if "rsc" in path.name]


def test_that_a_guest_did_not_answer_is_kept_too(tmp_path: Path) -> None:
    there = host()
    request = Request(connect="qemu:///system", names=("vm",), guest=True)
    with recorded(there, str(tmp_path / "kept"), request) as kept:
        [before] = check(domain_source(kept, "local", ("vm",)), Look(guest=True))

    [outcome] = judged_from(str(tmp_path / "kept"), None)

    assert outcome.value is not None
    assert outcome.value[0].evidence.guest == before.evidence.guest
    assert isinstance(before.evidence.guest, Unasked)


def test_a_labs_guest_is_judged_again_by_what_it_told_and_no_address_of_its_is_kept() -> None:
    lab = parse_lab(LAB, "lab.yaml", "/srv", {})
    machine = nic(machine="win", owner=Owner(domain="win"))
    kept = restored_lab(saved_lab(lab))

    ways, again = named_ways(lab, machine), named_ways(kept, machine)

    assert (
        [into(way) for way in again]
        == [into(way) for way in ways]
        == ["winrm of win 1", "agent of win", "ssh of win 3"]
    )
    assert not [
        word for word in ("10.0.0.2", "Administrator", "WIN_PW", "/k") if word in json.dumps(saved_lab(lab))
    ]


class Slow(Guest):
    """Stands for one that says nothing for as long as anybody waits for it."""

    def run(self, script: Script, *, timeout: float) -> Result:  # noqa: ARG002
        while (limit := own_limit()) is not None and not limit.expired:
            time.sleep(0.01)
        raise DeadlineError("it does not end")


def test_guests_that_take_all_the_time_are_told_and_those_behind_them_are_not_asked() -> None:
    there = GuestEdges(guests={"the guest agent": Slow("")})

    with limited(Deadline(0.3)):
        found = ask_guests(there, "local", {f"vm{i}": [BY_AGENT] for i in range(5)})

    reasons = [each.reason for each in found.values() if isinstance(each, Unasked)]
    assert sorted(reason.partition(":")[0] for reason in reasons) == ["not asked", *["the guest agent"] * 4]


def test_many_guests_are_asked_side_by_side_and_one_that_leads_astray_costs_its_own_answer_alone() -> None:
    there = GuestEdges(FakeHost(), guests={"the guest agent": Guest(answer())})
    ways = {f"vm{i}": [BY_AGENT] for i in range(40)}
    broken = Guest(ValueError("an error of ours"))
    there.guests = {**there.guests, "ssh": broken}

    found = ask_guests(there, "local", {**ways, "odd": [GuestWay("ssh", "linux")]})

    assert sum(isinstance(each, Told) for each in found.values()) == 40
    odd = found["odd"]
    assert isinstance(odd, Unasked)
    assert "internal error" in odd.reason
