"""libvirt and QEMU's monitor on another host, by the same keys and with the same strictness as commands."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.real.hypervisor import wait_for
from tests.real.remote import REMOTE, Site, key_pair, remote_site, run

DOMAIN = """<domain type='qemu'><name>vm</name><memory unit='MiB'>64</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"""
SOCKET = "/run/vm, with: !!odd/qmp"
OTHERS = ("python3", "perl", "socat")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with remote_site(tmp_path) as made:
        yield made


@pytest.fixture
def monitor(site: Site) -> str:
    """A QEMU that has no guest and waits, and its monitor's socket."""
    site.remote.output(["mkdir", "-p", str(Path(SOCKET).parent)])
    options = ["-S", "-M", "none", "-nodefaults", "-display", "none", "-daemonize"]
    escaped = SOCKET.replace(",", ",,")
    chardev = [
        "-chardev",
        f"socket,id=qmp,path={escaped},server=on,wait=off",
        "-mon",
        "chardev=qmp,mode=control",
    ]
    site.remote.output(["qemu-system-x86_64", *options, *chardev])
    return SOCKET


def asked(socket: str, *commands: str) -> dict[str, Any]:
    return {"monitor": socket, "execute": commands or ("query-status",)}


def relays(site: Site) -> list[tuple[str, ...]]:
    found = site.remote.processes().values()
    return [argv for argv in found if argv[-2:] == (SOCKET, "") and "qemu" not in argv[0]]


@pytest.mark.parametrize("carrier", OTHERS)
def test_a_monitor_answers_through_whatever_the_host_has(site: Site, monitor: str, carrier: str) -> None:
    with site.remote.without(*OTHERS[: OTHERS.index(carrier)]):
        twice = site.ask(*[asked(monitor, "query-status", "query-version", "query-qmp-schema")] * 2)
        refused, missing = site.ask(asked(monitor, "no-such-command"), asked("/run/none/qmp"))

    for answer in twice:
        assert answer["peer"] == (None if carrier == "socat" else qemu_of(site))
        status, version, schema = answer["said"]
        assert status["status"] == "prelaunch"
        assert "qemu" in version
        assert len(str(schema)) > 100_000, "much in one answer"
    assert refused["error"] == "RefusedError"
    assert missing["message"].startswith("nobody answers at /run/none/qmp on hv: ")
    wait_for(lambda: not relays(site), time.monotonic() + 10, "the relays' end")


def qemu_of(site: Site) -> int:
    return int(site.remote.output(["pidof", "qemu-system-x86_64"]))


@pytest.mark.parametrize("carrier", OTHERS)
def test_a_monitor_that_is_not_its_holders_is_not_spoken_to(site: Site, monitor: str, carrier: str) -> None:
    pid, refused = qemu_of(site), "process|whose|user"
    with site.remote.without(*OTHERS[: OTHERS.index(carrier)]):
        his, another, users = site.ask(
            {**asked(monitor), "listener": (pid, 0)},
            {**asked(monitor), "listener": (pid + 1, 0)},
            {**asked(monitor), "listener": (pid, 1000)},
        )

    assert ("said" in his) == (carrier != "socat")
    assert re.search(refused, another["message"])
    assert re.search(refused, users["message"])


@pytest.mark.parametrize("carrier", OTHERS)
def test_a_monitor_on_tcp_answers_on_loopback(site: Site, carrier: str) -> None:
    options = ["-S", "-M", "none", "-nodefaults", "-display", "none", "-daemonize"]
    site.remote.output(["qemu-system-x86_64", *options, "-qmp", "tcp:127.0.0.1:4444,server=on,wait=off"])

    with site.remote.without(*OTHERS[: OTHERS.index(carrier)]):
        (answer,) = site.ask(asked("tcp:127.0.0.1:4444"))

    assert answer["said"][0]["status"] == "prelaunch"


@pytest.mark.parametrize("carrier", OTHERS)
def test_a_socket_that_nobody_listens_at(site: Site, carrier: str) -> None:
    """A regular file: it is there, and no socket."""
    site.remote.path("/run/qmp").write_text("")

    with site.remote.without(*OTHERS[: OTHERS.index(carrier)]):
        (answer,) = site.ask(asked("/run/qmp"))

    assert answer["error"] == "HostError"
    assert answer["message"].startswith("nobody answers at /run/qmp on hv: ")


def test_a_host_without_any_program_for_it(site: Site, monitor: str) -> None:
    with site.remote.without(*OTHERS):
        (answer,) = site.ask(asked(monitor))

    assert "none of python3, perl and socat is there" in answer["message"]


def test_a_monitor_that_another_client_has_is_given_up(site: Site, monitor: str) -> None:
    client = "import socket,sys,time; s=socket.socket(1); s.connect(sys.argv[1]); time.sleep(99)"
    site.remote.output(
        ["sh", "-c", 'python3 -c "$1" "$2" </dev/null >/dev/null 2>&1 &', "sh", client, monitor]
    )

    def taken() -> bool:
        (answer,) = site.ask(asked(monitor))
        return "nothing within 5 s" in answer.get("message", "")

    wait_for(taken, time.monotonic() + 60, "a monitor that does not answer")
    wait_for(lambda: not relays(site), time.monotonic() + 10, "the relay's end")


def test_a_client_that_is_killed_leaves_no_relay(site: Site, monitor: str) -> None:
    site.remote.output(["sh", "-c", "kill -STOP $(pidof qemu-system-x86_64)"])
    asking = threading.Thread(target=_asked_in_vain, args=(site, asked(monitor)))
    asking.start()
    wait_for(lambda: relays(site), time.monotonic() + 20, "a relay")

    site.client.output(["sh", "-c", "kill -9 $(pgrep -f driver.p[y])"])
    asking.join()

    wait_for(lambda: not relays(site), time.monotonic() + 10, "the relay's end")


def _asked_in_vain(site: Site, step: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        site.ask(step)


def test_a_monitor_of_root_answers_through_sudo(site: Site, monitor: str) -> None:
    target = sudoer(site)

    answer, version = site.ask(asked(monitor), run("id", "-u"), target=target)

    assert answer["said"][0]["status"] == "prelaunch"
    assert version["results"][0]["out"] == "0\n"


def sudoer(site: Site) -> Any:
    site.start_sshd(port=2222, user="alice")
    site.knows(f"[{REMOTE}]:2222")
    site.remote.path("/etc/sudoers.d/rscvm").write_text("alice ALL=(root) NOPASSWD: /usr/bin/sh\n")
    return site.as_user("alice", port=2222, sudo=True)


VERSION = {"libvirt": "version"}
LIFE = (
    {"libvirt": "define", "with": [DOMAIN]},
    {"libvirt": "start", "with": ["vm"]},
    {"libvirt": "domain", "with": ["vm"]},
    {"libvirt": "destroy", "with": ["vm"]},
    {"libvirt": "undefine", "with": ["vm"]},
)


@pytest.mark.parametrize("with_sudo", [False, True])
def test_libvirt_answers_over_ssh(site: Site, tmp_path: Path, *, with_sudo: bool) -> None:
    """By sudo also for a user who may not use libvirt."""
    site.remote.start_libvirtd()
    target = sudoer(site) if with_sudo else site.target

    (tmp_path / "temporary").mkdir()

    version, *life = site.ask(VERSION, *LIFE, target=target, env={"TMPDIR": str(tmp_path / "temporary")})

    assert version == {"said": site.remote.virsh("version").split("library: libvirt ")[1].split()[0]}
    assert life[2]["said"]["state"] == "running"
    assert not [step for step in life if "error" in step], life
    assert not list((tmp_path / "temporary").iterdir())


def test_libvirt_by_a_file_name_that_must_be_quoted(site: Site, tmp_path: Path) -> None:
    site.remote.start_libvirtd()
    odd = tmp_path / 'it\'s a "%h" \\ $HOME'
    odd.mkdir()
    for name in ("id", "known_hosts"):
        (odd / name).write_bytes((tmp_path / name).read_bytes())
        (odd / name).chmod(0o600)

    (answer,) = site.ask(
        VERSION, target=replace(site.target, identity=str(odd / "id"), known_hosts=str(odd / "known_hosts"))
    )

    assert "said" in answer, answer


def test_the_terminals_ctrl_c_breaks_no_connection(site: Site, tmp_path: Path) -> None:
    """Neither ours, nor libvirt's, nor the program that either goes through."""
    site.remote.start_libvirtd()
    site.configure(f"Host box\n HostKeyAlias {REMOTE}\n ProxyCommand socat - TCP:{REMOTE}:22\n")

    before, _, waited, after = site.ask(
        VERSION,
        {"interrupt": True},
        run("sleep", "0.5"),
        VERSION,
        target=replace(site.target, address="box"),
    )

    assert waited["results"][0]["status"] == 0
    assert before["said"] == after["said"]
    assert (tmp_path / "sshd_22.log").read_text().count("Accepted publickey") == 2


def test_libvirt_is_refused_by_a_changed_key_though_commands_still_have_their_connection(
    site: Site, tmp_path: Path
) -> None:
    key_pair(tmp_path / "other_key")
    changing = threading.Thread(target=_changed, args=(site,))
    changing.start()

    waited, refused, again = site.ask(
        run("sh", "-c", "until [ -e /run/changed ]; do sleep 0.1; done"), VERSION, run("echo", "still here")
    )
    changing.join()
    (changed,) = site.ask(VERSION)

    assert waited["results"][0]["status"] == 0
    assert refused["message"].startswith(f"libvirt does not answer at qemu+ssh://{REMOTE}/system: ")
    assert "Host key verification failed" in refused["message"]
    assert "command=" not in refused["message"]
    assert again["results"][0]["out"] == "still here\n"
    assert "has CHANGED" in changed["message"]


def _changed(site: Site) -> None:
    """Another sshd at the port, with another key; who is connected stays so."""
    wait_for(
        lambda: [a for a in site.remote.processes().values() if a[0] == "sleep"],
        time.monotonic() + 20,
        "sleep",
    )
    site.remote.output(["sh", "-c", "kill $(pgrep -f 'sshd -[D]')"])
    wait_for(lambda: site.sshd[22].poll() is not None, time.monotonic() + 10, "the end of sshd")
    site.start_sshd(key="other_key")
    site.remote.path("/run/changed").touch()


def test_a_host_without_libvirtd_or_for_whom_it_is_not(site: Site) -> None:
    (absent,) = site.ask(VERSION)
    site.remote.start_libvirtd()
    (not_for_alice,) = site.ask(VERSION, target=replace(sudoer(site), sudo=False))

    for answer in (absent, not_for_alice):
        assert "command=" not in answer["message"]
    assert "libvirt does not answer at qemu+ssh://" in absent["message"]
    assert "is libvirtd running there, and may this user use it?" in absent["hint"]
    assert "does not let this user in" in not_for_alice["message"], not_for_alice
    assert "may this user use it there?" in not_for_alice["hint"]


def test_a_directory_where_nothing_may_be_run(site: Site) -> None:
    site.client.output(["mount", "-t", "tmpfs", "-o", "noexec", "tmpfs", "/media"])

    (answer,) = site.ask(VERSION, env={"TMPDIR": "/media"})

    assert answer["message"].startswith("no program can be run in /media")
    assert "noexec" in answer["hint"]


@pytest.mark.parametrize("uri", ["qemu:///embed?root=/x", "qemu+tcp://elsewhere/system", "test:///default"])
def test_a_uri_that_is_no_hosts_own_is_refused(site: Site, uri: str) -> None:
    (answer,) = site.ask(VERSION, target=replace(site.target, libvirt=uri))

    assert answer["error"] == "RequestError"
    assert answer["message"] == f"hosts.hv.libvirt: {uri} cannot be reached over SSH"
