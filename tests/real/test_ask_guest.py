"""A real guest's own answer in `check` and `fix`: a domain whose Linux has switched its offloads off says so, and gives them back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.real.asked_guests import CHANNEL, AskedGuest
from tests.real.domains import SYSTEM, define, domain, interface
from tests.real.hypervisor import Hypervisor
from tests.real.preloaded import rscvm

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real

MAC = "52:54:00:12:34:56"


@dataclass(frozen=True)
class Asked:
    """The domain, and rscvm beside it."""

    guest: AskedGuest

    def rscvm(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Exit status and document."""
        done = rscvm(self.guest.host, *arguments, "--json")
        document: dict[str, Any] = json.loads(done.stdout)
        return done.returncode, document

    def switch(self, on: str) -> None:
        """In the guest, by hand."""
        assert self.guest.ran(f"ethtool -K eth0 rx-gro-hw {on}")["status"] == 0

    def switched(self) -> str:
        """What the guest's own ethtool says."""
        return str(self.guest.ran("ethtool -k eth0 | sed -n 's/^rx-gro-hw: //p'")["out"]).strip()


@pytest.fixture(scope="module")
def asked(guest: Path) -> Iterator[Asked]:
    assert guest.is_dir()
    with Hypervisor() as host:
        host.start_libvirtd()
        nic = interface("ethernet", f"<mac address='{MAC}'/>")
        define(host, domain("vm", nic, CHANNEL))
        host.virsh("start", "vm")
        found = AskedGuest(host, {"kind": "agent", "domain": "vm"})
        found.until_asked()
        yield Asked(found)


def rungs(document: dict[str, Any]) -> dict[str, tuple[str, str]]:
    [nic] = document["nics"]
    return {rung["rung"]: (rung["ipv4"], rung["ipv6"]) for rung in nic["ladder"]}


@pytest.mark.parametrize("which", [("--connect", SYSTEM, "vm"), ()], ids=["libvirt", "every QEMU"])
def test_a_guest_that_has_it_on_says_so_where_it_must_answer(asked: Asked, which: tuple[str, ...]) -> None:
    status, found = asked.rscvm("check", *which, "--guest")
    without = asked.rscvm("check", *which)[1]

    assert (status, rungs(found)["enabled"], rungs(found)["operational"]) == (
        0,
        ("pass",) * 2,
        ("skipped",) * 2,
    )
    assert rungs(without)["enabled"] == ("skipped", "skipped")


def test_a_guest_that_switched_it_off_is_the_cause_and_gives_it_back_by_fix(
    asked: Asked, tmp_path: Path
) -> None:
    asked.switch("off")
    place = ("--connect", SYSTEM, "vm")
    try:
        status, found = asked.rscvm("check", *place, "--guest", "--save", str(tmp_path / "kept"))
        again = asked.rscvm("check", "--from", str(tmp_path / "kept"))
        before = asked.switched()
        asked.rscvm("fix", *place, "--guest", "--dry-run")
        dry = asked.switched()
        fixed_status, fixed = asked.rscvm("fix", *place, "--guest")
        after = asked.switched()
    finally:
        asked.switch("on")

    assert (status, found["nics"][0]["cause"]) == (1, "nic-property-disabled")
    assert rungs(found)["passed"] == ("fail", "fail")
    assert found["nics"][0]["fix"] == ["in the guest: `ethtool -K eth0 rx-gro-hw on`"]
    assert (again[0], again[1]["nics"]) == (status, found["nics"])
    assert (before, dry, after) == ("off", "off", "on")
    [change] = fixed["changed"]
    assert (change["what"], change["restore"]) == (
        "ethtool -K eth0 rx-gro-hw on",
        ["ethtool -K eth0 rx-gro-hw off"],
    )
    assert (fixed_status, fixed["nics"][0]["verdict"]) == (0, "ready")


def test_a_guest_whose_agent_does_not_run_is_unknown_where_it_must_answer_and_only_then(asked: Asked) -> None:
    asked.guest.ran('{ sleep 0.5; kill -STOP "$(cat /run/qemu-ga.pid)"; } >/dev/null 2>&1 </dev/null &')

    def silent() -> bool:
        return "error" in asked.guest.steps({"script": "true", "timeout": 5})[0]

    asked.guest.until(silent, "an agent that hangs")
    status, found = asked.rscvm("check", "--connect", SYSTEM, "vm", "--guest")

    assert (status, found["nics"][0]["cause"]) == (4, "guest-unreachable")
    assert "the guest agent" in found["nics"][0]["seen"]
    assert asked.rscvm("check", "--connect", SYSTEM, "vm")[0] == 0
