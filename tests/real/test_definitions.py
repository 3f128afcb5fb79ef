"""Definitions beside what runs, and libvirts where there is nothing to check, under a real libvirtd."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.real.domains import SYSTEM, check, define, domain, interface
from tests.real.hypervisor import Hypervisor
from tests.real.zoo import off

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.real

OPEN = b'unix_sock_group = "root"\nunix_sock_rw_perms = "0777"\nauth_unix_rw = "none"\n'
MACS = {"sinking": "52:54:00:00:01:01", "mended": "52:54:00:00:01:02"}
GLOBAL = "".join(
    f"<qemu:arg value='-global'/><qemu:arg value='virtio-net-pci.guest_{name}=off'/>"
    for name in ("tso4", "tso6")
)
OFF = {
    "all-off": domain("all-off", interface(more=off("csum", "tso4", "tso6"))),
    "globals": domain("globals", interface(), more=f"<qemu:commandline>{GLOBAL}</qemu:commandline>"),
    "good": domain("good", interface()),
}
READY = {"verdict": "ready", "cause": None}
BROKEN = {"verdict": "not-ready", "cause": "guest-offloads-off"}


def with_nic(name: str, more: str = "", *others: str) -> str:
    """A domain with one NIC of its own address."""
    return domain(name, interface(more=f"<mac address='{MACS[name]}'/>{more}"), *others)


@pytest.fixture(scope="module")
def host(guest: Path) -> Iterator[Hypervisor]:
    """A libvirtd without any domain, which answers every user, and a bridge."""
    assert guest.is_dir()
    with Hypervisor() as host:
        host.run(["tee", "--append", "/etc/libvirt/libvirtd.conf"], input=OPEN)
        host.start_libvirtd()
        host.output(["ip", "link", "add", "br0", "up", "type", "bridge"])
        yield host


def asked(
    host: Hypervisor, uri: str, *arguments: str, user: str | None = None
) -> tuple[int, dict[str, Any], str]:
    """Exit status, document and stderr; of a user whose own libvirt starts when it is asked."""
    argv = [sys.executable, "-m", "provision", "check", "--connect", uri, "--json", *arguments]
    home = dict.fromkeys(("HOME", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), f"/run/{user}")
    done = host.run(argv, user=user, env=home if user else None)
    return done.returncode, json.loads(done.stdout), done.stderr.decode()


def uuid_of(host: Hypervisor, name: str) -> str:
    return host.virsh("domuuid", name).strip()


def edit(host: Hypervisor, name: str, xml: str) -> None:
    """Define it anew, as it runs on."""
    define(
        host, xml.replace(f"<name>{name}</name>", f"<name>{name}</name><uuid>{uuid_of(host, name)}</uuid>")
    )


def definitions(nics: dict[str, Any]) -> dict[str, Any]:
    return {name: nic["definition"] for name, nic in nics.items()}


def test_a_libvirt_without_machines_is_said(host: Hypervisor) -> None:
    status, document, errors = asked(host, SYSTEM)

    assert (status, document["checked"], document["nics"]) == (4, 0, [])
    assert f"rscvm: nothing was checked: {SYSTEM} has no machine\n" in errors


def test_a_machine_without_nic_is_said_and_a_session_without_machines_points_to_the_system(
    host: Hypervisor, tmp_path: Path
) -> None:
    define(host, domain("deaf"))
    page = tmp_path / "page.html"

    status, document, errors = asked(host, SYSTEM, "--html", str(page))
    host.output(["install", "--directory", "--owner=nobody", "/run/nobody"])
    elsewhere, _, hint = asked(host, "qemu:///session", user="nobody")

    told = f"rscvm: nothing was checked: deaf has no NIC\nwrote {page}\n"
    assert (status, document["checked"], errors) == (4, 0, told)
    assert "deaf has no NIC" in page.read_text()
    assert elsewhere == 4
    assert "nothing was checked: qemu:///session has no machine\n" in hint
    assert f"hint: 1 machine is under {SYSTEM}: `rscvm check --connect {SYSTEM}`\n" in hint


def test_machines_that_are_off_are_told_by_their_definitions(host: Hypervisor) -> None:
    for xml in OFF.values():
        define(host, xml)

    status, nics, _ = check(host)

    assert status == 4
    assert {nic["cause"] for nic in nics.values()} == {"machine-off"}
    assert definitions(nics) == {"all-off.net0": BROKEN, "globals.net0": BROKEN, "good.net0": READY}


def test_an_edit_is_told_in_either_direction_until_the_next_start(host: Hypervisor, tmp_path: Path) -> None:
    """Paused before their first instruction: what is defined does not depend on a guest."""
    define(host, with_nic("sinking"))
    define(host, with_nic("mended", off("tso6")))
    for name in MACS:
        host.virsh("start", name, "--paused")
    before = check(host, *MACS)[1]
    edit(
        host,
        "sinking",
        with_nic("sinking", off("tso6"), interface(more="<mac address='52:54:00:00:01:03'/>")),
    )
    edit(host, "mended", with_nic("mended"))

    found, evidence = check(host, "--save", str(tmp_path / "evidence"), *MACS)[1], tmp_path / "evidence"
    again = host.run([sys.executable, "-m", "provision", "check", "--from", str(evidence), "--json"])
    host.virsh("destroy", "mended")
    host.virsh("start", "mended", "--paused")
    after = check(host, "mended")[1]

    assert definitions(before) == {"sinking.net0": None, "mended.net0": None}
    assert definitions(found) == {"sinking.net0": BROKEN, "mended.net0": READY}
    assert any("52:54:00:00:01:03" in note for note in found["sinking.net0"]["notes"])
    assert definitions(
        {f"{nic['machine']}.{nic['nic']}": nic for nic in json.loads(again.stdout)["nics"]}
    ) == (definitions(found))
    assert definitions(after) == {"mended.net0": None}


def test_a_nic_that_was_plugged_in_for_this_run_alone_is_told(host: Hypervisor) -> None:
    xml = interface(more="<mac address='52:54:00:00:01:04'/>")
    host.run(["tee", "/run/nic.xml"], input=xml.encode())
    host.virsh("attach-device", "mended", "/run/nic.xml", "--live")

    nics = check(host, "mended")[1]

    assert definitions(nics) == {"mended.net0": None, "mended.net1": {"verdict": "not-ready", "cause": None}}


def test_a_machine_that_was_saved_goes_on_whatever_its_definition_says(host: Hypervisor) -> None:
    host.virsh("start", "good", "--paused")
    host.virsh("managedsave", "good")
    saved = check(host, "good")[1]
    host.virsh("managedsave-remove", "good")

    assert definitions(saved) == {"good.net0": {"verdict": "unknown", "cause": None}}
    assert definitions(check(host, "good")[1]) == {"good.net0": READY}


def test_what_is_off_does_not_count_beside_what_runs_unless_it_is_named(
    host: Hypervisor, tmp_path: Path
) -> None:
    """Named, it counts alone."""
    words = [sys.executable, "-m", "provision", "check", "--connect", SYSTEM]
    done = host.run(words)
    named = host.run([*words, "good", "deaf"])
    running = host.run([*words, "--running", "--html", str(tmp_path / "page.html")])

    assert re.search(r", 3 off\b", done.stdout.decode())
    assert "at its next start: NOT-READY, guest-offloads-off" in done.stdout.decode()
    assert (named.returncode, named.stderr.decode()) == (4, "deaf has no NIC\n")
    assert "at its next start: READY, as far as its definition tells" in named.stdout.decode()
    assert re.findall(r"^off +(\S+)", done.stdout.decode(), re.MULTILINE) == [
        "all-off.net0",
        "globals.net0",
        "good.net0",
    ]
    assert "machines that are off" not in running.stdout.decode()
    assert not re.search("all-off|globals|good", running.stdout.decode())
    head = (tmp_path / "page.html").read_text().split("</header>")[0]
    assert re.search(
        r"rscvm \S+ check, .*; qemu:///system; libvirt [0-9.]+; QEMU [0-9.]+; kernel ", head, re.DOTALL
    )
