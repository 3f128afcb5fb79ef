"""A real libvirtd that is not there, lets this user not in, or is asked by a wrong URI: each is said to be that."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.real.domains import define, domain, interface
from tests.real.hypervisor import SOCKET, Hypervisor, wait_for
from tests.real.preloaded import rscvm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import CompletedProcess
    from typing import Any

POLKIT = "/usr/lib/polkit-1/polkitd"
WANTS = "/etc/systemd/system/sockets.target.wants"
SYSTEM = "qemu:///system"
OFF = "<domain type='qemu'><name>win-2022</name><memory>65536</memory><os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"
LAB = """version: 1
machines:
  one: {backend: qemu, guest: linux, memory: 64MiB, nics: [{user: true, rsc: false}]}
  two: {backend: qemu, guest: linux, memory: 64MiB, nics: [{user: true, rsc: false}]}
"""


@pytest.fixture(scope="module")
def host(guest: Path) -> Iterator[Hypervisor]:
    """A libvirtd as it is installed, so polkit is asked about users, with one domain, which is off."""
    assert guest.is_dir()
    with Hypervisor() as host:
        host.output(["mkdir", "/run/dbus"])
        host.output(["dbus-daemon", "--system", "--fork"])
        host.output(["sh", "-c", f"setsid {POLKIT} --no-debug >/dev/null 2>&1 </dev/null &"])
        host.start_libvirtd()
        define(host, OFF)
        yield host


def told(done: CompletedProcess[str]) -> tuple[int, str, str]:
    """Exit status, message and hint, of the document as on stderr."""
    document = json.loads(done.stdout)
    assert document["schema"] == "rscvm/error/1"
    assert done.stderr.endswith(f"rscvm: {document['message']}\nhint: {document['hint']}\n")
    return done.returncode, document["message"], document["hint"]


def asked(host: Hypervisor, *words: str) -> tuple[int, str, str]:
    return told(rscvm(host, *words, "--json"))


def by_nobody(host: Hypervisor, *words: str) -> dict[str, Any]:
    """What is printed for a user without rights."""
    home = dict.fromkeys(("HOME", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), "/run/nobody")
    host.output(["install", "--directory", "--owner=nobody", "/run/nobody"])
    argv = [sys.executable, "-m", "provision", *words, "--json"]
    printed: dict[str, Any] = json.loads(host.run(argv, user="nobody", env=home).stdout)
    return printed


def test_a_wrong_uri_is_the_users_mistake_and_libvirts_suggestion_is_shown(host: Hypervisor) -> None:
    status, message, hint = asked(host, "check", "--connect", "qemu:///sistem")

    assert (status, "qemu:///sistem is no libvirt's URI: " in message) == (2, True)
    assert "try qemu:///system" in message
    assert "such as qemu:///system" in hint


def test_a_user_without_rights_is_told_of_whom_they_are_asked(host: Hypervisor) -> None:
    def refusal() -> tuple[bool, str]:
        said = by_nobody(host, "check", "--connect", SYSTEM)
        return said["message"].startswith(f"libvirt at {SYSTEM} does not let this user in: "), said["hint"]

    polkit = refusal()
    socket = host.path(SOCKET)
    mode = socket.stat().st_mode
    socket.chmod(0o770)
    closed = refusal()
    socket.chmod(mode)
    host.output(["usermod", "--append", "--groups", "libvirt", "nobody"])
    let_in = by_nobody(host, "check", "--connect", SYSTEM)

    assert (polkit[0], "org.libvirt.unix.manage by polkit" in polkit[1]) == (True, True)
    assert (closed[0], "in the group of libvirt's socket" in closed[1]) == (True, True)
    assert all("usermod -aG libvirt USER" in hint for _, hint in (polkit, closed))
    assert let_in["nics"] == [], "what the hint says is done, and libvirt answers"


def test_libvirts_own_choice_is_asked_of_libvirt(host: Hypervisor) -> None:
    assert rscvm(host, "import", "win-2022").stdout.startswith(f"# Domain win-2022 at {SYSTEM}, ")

    conf = host.path("/etc/libvirt/libvirt.conf")
    before = conf.read_text() if conf.exists() else ""
    conf.write_text('uri_default = "test:///default"\n')
    try:
        assert rscvm(host, "import", "test").stdout.startswith("# Domain test at test:///default, ")
        named = rscvm(host, "import", "win-2022", env={"LIBVIRT_DEFAULT_URI": SYSTEM})
        assert named.stdout.startswith(f"# Domain win-2022 at {SYSTEM}, ")
    finally:
        conf.write_text(before)


@pytest.mark.parametrize("command", ["check", "fix", "bench"])
def test_a_domain_in_place_of_a_lab_file_is_told_the_command_that_was_meant(
    host: Hypervisor, command: str
) -> None:
    meant = f"`rscvm {command} --connect {SYSTEM} win-2022`"

    assert asked(host, command, "win-2022") == (
        2, "there is no lab file win-2022", f"it is a domain at {SYSTEM}: {meant}")  # fmt: skip
    assert asked(host, command, "--connect", SYSTEM, "win2022")[2].startswith("did you mean win-2022? ")


def test_several_domains_are_fixed_and_none_where_one_of_them_is_not_there(
    host: Hypervisor, tmp_path: Path
) -> None:
    """Their definitions are what is edited: their guests are not waited for."""
    host.output(["ip", "link", "add", "br0", "up", "type", "bridge"])
    broken = interface(more="<driver><guest tso4='off'/></driver>")
    for name in ("web", "mail"):
        define(host, domain(name, broken))
        host.virsh("start", name)

    def fixed(*names: str) -> tuple[int, list[str]]:
        state = {"XDG_STATE_HOME": str(tmp_path)}
        done = rscvm(host, "fix", "--connect", SYSTEM, *names, "--json", env=state)
        document = json.loads(done.stdout)
        return done.returncode, [change["nic"] for change in document.get("changed", ())]

    definitions = [host.virsh("dumpxml", "--inactive", name) for name in ("web", "mail")]
    assert fixed("web", "mial") == (2, [])
    assert [host.virsh("dumpxml", "--inactive", name) for name in ("web", "mail")] == definitions
    assert fixed("web", "mail", "web") == (1, ["web.net0", "mail.net0"])
    assert not any("tso4='off'" in host.virsh("dumpxml", "--inactive", name) for name in ("web", "mail"))
    for name in ("web", "mail"):
        host.virsh("destroy", name)


def test_one_machine_of_a_lab_has_its_status(host: Hypervisor, tmp_path: Path) -> None:
    lab = tmp_path / "lab.yaml"
    lab.write_text(LAB)

    def machines(*names: str) -> list[str]:
        document = json.loads(rscvm(host, "status", str(lab), *names, "--json").stdout)
        return [row["machine"] for row in document["machines"]]

    assert (machines(), machines("two"), machines("local")) == (["one", "two"], ["two"], ["one", "two"])


def test_a_kvm_that_may_not_be_opened_is_said_to_be_that(host: Hypervisor) -> None:
    os.mknod(host.path("/dev/kvm"), 0o020600, os.makedev(10, 232))
    try:
        [there] = by_nobody(host, "doctor")["hosts"]
    finally:
        host.path("/dev/kvm").unlink()

    [kvm] = [finding for finding in there["findings"] if finding["name"] == "kvm"]
    assert (kvm["state"], "Permission denied" in kvm["seen"]) == ("miss", True), kvm
    assert kvm["fix"].startswith("run it as root, or be in the group of /dev/kvm")


def test_one_that_does_not_run_is_told_with_the_unit_that_is_installed_here(host: Hypervisor) -> None:
    """Last: it stops it."""
    pids = [pid for pid, argv in host.processes().items() if Path(argv[0]).name == "libvirtd"]
    host.output(["kill", "-KILL", *map(str, pids)])
    wait_for(lambda: not {*pids} & {*host.processes()}, time.monotonic() + 10, "its end")

    refused = asked(host, "check", "--connect", SYSTEM)
    host.path(SOCKET).unlink()
    absent = asked(host, "check", "--connect", SYSTEM)

    for status, message, hint in (refused, absent):
        assert (status, message.startswith(f"libvirt does not answer at {SYSTEM}: ")) == (3, True)
        assert hint == "start it: `systemctl start libvirtd.socket`"
    status, message, hint = asked(host, "import", "win-2022")
    assert (status, message.startswith("libvirt does not answer at libvirt's default: "), hint) == (
        3,
        True,
        absent[2],
    )

    units = "/etc/systemd/system"
    for unit in ("libvirtd", "virtqemud"):
        host.output(
            ["sh", "-c", f"mkdir -p {WANTS} && echo >{units}/{unit}.socket && rm -f {WANTS}/{unit}.socket"]
        )
    host.output(["ln", "-s", f"{units}/virtqemud.socket", WANTS])
    assert asked(host, "check", "--connect", SYSTEM)[2] == "start it: `systemctl start virtqemud.socket`"
    host.output(["sh", "-c", f"rm {WANTS}/virtqemud.socket && ln -s {units}/libvirtd.socket {WANTS}"])
    assert asked(host, "check", "--connect", SYSTEM)[2] == "start it: `systemctl start libvirtd.socket`"
