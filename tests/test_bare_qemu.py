"""What a QEMU's monitor alone tells of its NICs; the answers are those of two generations of QEMU, captured."""

from __future__ import annotations

import json
from typing import Any

import pytest

from provision.facts.ethtool_features import FeaturesRead
from provision.runtime.errors import RefusedError
from provision.verify.collect.bare_qemu import collect_bare
from provision.verify.collect.host_devices import TapsRead
from provision.verify.collect.taps import with_tap
from provision.verify.evidence import Owner, Unasked
from provision.verify.saved.record import Recorder
from tests.builders import FIXTURES, FakeEdges, FakeMonitor

CAPTURED = json.loads((FIXTURES / "qemu-7.2.22" / "bare.json").read_text())
NEWER = json.loads((FIXTURES / "qemu-10.0.13" / "bare.json").read_text())


def answer(command: str, changes: dict[str, Any], captured: dict[str, Any]) -> Any:
    def found(arguments: dict[str, Any]) -> Any:
        key = f"{command} {json.dumps(arguments, sort_keys=True)}"
        said = changes.get(key, captured.get(key, {"error": {"class": "GenericError", "desc": key}}))
        if "error" in said:
            return RefusedError(said["error"]["desc"], said["error"]["class"])
        return said["return"]

    return found


COMMANDS = (
    "query-name",
    "query-status",
    "qom-list",
    "qom-get",
    "human-monitor-command",
    "x-query-virtio-status",
)


OWNER = Owner(socket="/run/some.sock")


def monitor(captured: dict[str, Any] = CAPTURED, **changes: Any) -> FakeMonitor:
    return FakeMonitor({command: answer(command, changes, captured) for command in COMMANDS})


@pytest.mark.parametrize("captured", [CAPTURED, NEWER], ids=["7.2.22", "10.0.13"])
def test_every_nic_of_a_qemu_is_found_wherever_it_keeps_it(captured: dict[str, Any]) -> None:
    nics = collect_bare(monitor(captured), "local", OWNER)

    assert [(nic.nic, nic.model, nic.kind, nic.tap) for nic in nics] == [
        ("net0", "virtio", "ethernet", "tapx"),
        ("net1", "e1000e", "user", None),
        ("net2", "virtio", "hub", None),
        ("net3", "virtio", "socket", None),
    ]
    assert {nic.machine for nic in nics} == {"bare"}
    assert nics[0].mac == "52:54:00:12:34:57"
    assert {(nic.state, nic.rsc, nic.purpose) for nic in nics} == {("paused", None, None)}


def test_a_qemu_whose_answers_are_kept_is_asked_for_its_version_once() -> None:
    recorder = Recorder(FakeEdges(qmp=monitor()))
    with recorder.monitor("hv", OWNER.socket) as kept:
        collect_bare(kept, "hv", OWNER)

    asked = [row.question.words[-1] for row in recorder.rows if row.question.ask == "qmp"]
    assert asked.count("query-version") == 1


def test_a_qemu_without_a_name_is_called_as_its_socket() -> None:
    nics = collect_bare(monitor(**{"query-name {}": {"return": {}}}), "local", OWNER)

    assert nics[0].machine == "some"


def test_a_tap_that_was_handed_over_open_has_no_name_and_says_so() -> None:
    key = 'human-monitor-command {"command-line": "info network"}'
    said = CAPTURED[key]["return"].replace("ifname=tapx,script=no,downscript=no", "fd=27")

    [nic, *_] = collect_bare(monitor(**{key: {"return": said}}), "local", OWNER)
    told = with_tap(nic, TapsRead(FeaturesRead({})))

    assert (nic.kind, nic.tap, nic.owner) == ("ethernet", None, OWNER)
    assert isinstance(told.features, Unasked)
    assert "handed its TAP as a descriptor" in told.features.reason


@pytest.mark.parametrize("said", ["", "unknown words", 7])
def test_a_netdev_that_is_not_told_is_unknown_and_no_pass(said: Any) -> None:
    key = 'human-monitor-command {"command-line": "info network"}'

    [nic, *_] = collect_bare(monitor(**{key: {"return": said}}), "local", OWNER)

    assert (nic.kind, nic.tap) == ("unknown", None)


def test_a_device_that_has_a_netdevs_id_is_not_taken_for_it() -> None:
    key = 'human-monitor-command {"command-line": "info network"}'
    also = "t: index=0,type=nic,model=e1000e,macaddr=52:54:00:12:34:58\r\n"

    [nic, *_] = collect_bare(monitor(**{key: {"return": CAPTURED[key]["return"] + also}}), "local", OWNER)

    assert (nic.kind, nic.tap) == ("ethernet", "tapx")


def test_a_device_that_is_gone_when_it_is_looked_at_hides_none_of_its_type() -> None:
    first = 'qom-list {"path": "/machine/peripheral/net0"}'
    gone = {"error": {"class": "DeviceNotFound", "desc": "gone"}}
    assert first in CAPTURED

    found = collect_bare(monitor(**{first: gone}), "local", OWNER)

    assert [nic.model for nic in found].count("virtio") >= 2
