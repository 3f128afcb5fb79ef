"""Every way in which SSH fails is told apart, in time, with what to do; and no unknown key is ever taken."""

from __future__ import annotations

import hashlib
import hmac
import subprocess
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provision.command import Target
from tests.real.hypervisor import wait_for
from tests.real.remote import REMOTE, Site, key_pair, public, remote_site, run, runs


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with remote_site(tmp_path) as made:
        yield made


def failure(site: Site, target: Target | None = None, step: dict[str, Any] | None = None) -> dict[str, Any]:
    (answer,) = site.ask(step or run("true"), target=target)
    assert "error" in answer, answer
    return answer


def fingerprint(key: Path) -> str:
    done = subprocess.run(["ssh-keygen", "-lf", f"{key}.pub"], capture_output=True, text=True, check=True)
    return done.stdout.split()[1]


@pytest.mark.parametrize("named", [True, False])
def test_an_unknown_key_is_refused_and_the_hint_accepts_just_that_one(
    site: Site, tmp_path: Path, *, named: bool
) -> None:
    known = tmp_path / "no such" / "known 'hosts'"
    target = replace(site.target, known_hosts=str(known) if named else "")

    refused = failure(site, target)

    assert refused["error"] == "HostKeyError"
    shown = fingerprint(tmp_path / "host_key")
    assert refused["message"] == f"host hv: the host key of {REMOTE} is not known: ED25519 {shown}"
    site.client.output(["sh", "-ec", refused["hint"].split("accept it: ")[1]])
    assert "results" in site.ask(run("true"), target=target)[0]
    accepted = known if named else site.client.path("/root/.ssh/known_hosts")
    assert accepted.read_text() == f"{REMOTE} {public(tmp_path / 'host_key')}\n"


def test_a_changed_key_is_refused_with_both_fingerprints_and_the_hint_forgets_the_old(
    site: Site, tmp_path: Path
) -> None:
    other = key_pair(tmp_path / "other_key")
    site.start_sshd(port=2222, key="other_key")
    site.knows(f"[{REMOTE}]:2222")
    target = replace(site.target, port=2222)

    refused = failure(site, target)

    assert refused["error"] == "HostKeyError"
    assert "has CHANGED" in refused["message"]
    assert fingerprint(tmp_path / "host_key") in refused["message"]
    assert fingerprint(other) in refused["message"]
    site.client.output(["sh", "-ec", refused["hint"].split("forget the old key: ")[1]])
    assert "is not known" in failure(site, target)["message"]


def hashed(name: str) -> str:
    salt = b"s" * 20
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{b64encode(salt).decode()}|{b64encode(digest).decode()}"


LINES = {
    "{hashed} {key}": "",
    "other,192.0.2.* {key}": "",
    "# {name} {key}": "is not known",
    "192.0.2.*,!{name} {key}": "is not known",
    "@revoked * {key}\n{name} {key}": "has revoked",
    "{name} ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ==\nnonsense\n{name} ssh-ed25519 %%%": "is not known",
}


@pytest.mark.parametrize("line", LINES)
def test_known_hosts_are_read_as_openssh_reads_them(site: Site, tmp_path: Path, line: str) -> None:
    text = line.format(hashed=hashed(REMOTE), name=REMOTE, key=public(tmp_path / "host_key"))
    (tmp_path / "known_hosts").write_text(f"{text}\n")

    (answer,) = site.ask(run("true"))

    assert LINES[line] in answer.get("message", "")
    assert ("error" in answer) == bool(LINES[line])


def test_the_systems_known_hosts_count(site: Site, tmp_path: Path) -> None:
    site.client.path("/etc/ssh/ssh_known_hosts").write_text((tmp_path / "known_hosts").read_text())

    (answer,) = site.ask(run("true"), target=replace(site.target, known_hosts=str(tmp_path / "none")))

    assert "results" in answer


def test_a_key_that_is_not_theirs_is_refused_and_named(site: Site, tmp_path: Path) -> None:
    stranger = key_pair(tmp_path / "stranger")
    before = (tmp_path / "known_hosts").read_text()

    refused = failure(site, replace(site.target, identity=str(stranger)))

    assert refused["message"].startswith(
        f"host hv: root is not let in at {REMOTE} port 22: Authentication failed"
    )
    assert f"keys tried: {stranger}" in refused["message"]
    assert "~root/.ssh/authorized_keys" in refused["hint"]
    assert (tmp_path / "known_hosts").read_text() == before


def test_without_any_key_this_is_said(site: Site) -> None:
    assert "there is no key to try" in failure(site, replace(site.target, identity=""))["message"]


def test_an_encrypted_key_is_said_to_be_and_works_by_the_agent(site: Site, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.write_bytes((tmp_path / "id").read_bytes())
    locked.chmod(0o600)
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", str(locked)], check=True)
    target = replace(site.target, identity=str(locked))

    refused = failure(site, target)
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(tmp_path / "agent")], stdout=subprocess.DEVNULL)
    try:
        wait_for((tmp_path / "agent").is_socket, time.monotonic() + 10, "the agent")
        environment = {"SSH_AUTH_SOCK": str(tmp_path / "agent")}
        site.client.output(["ssh-add", "-q", str(tmp_path / "id")], env=environment)
        (let_in,) = site.ask(run("true"), target=target, env=environment)
        (by_agent,) = site.ask(run("true"), target=replace(site.target, identity=""), env=environment)
    finally:
        agent.kill()
        agent.wait()

    assert f"{locked} is encrypted, and no agent has it (ssh-add {locked})" in refused["message"]
    assert "results" in let_in
    assert "results" in by_agent


def test_a_missing_identity_is_said(site: Site, tmp_path: Path) -> None:
    refused = failure(site, replace(site.target, identity=str(tmp_path / "gone")))

    assert refused["message"] == f"host hv: cannot read the identity {tmp_path / 'gone'}"
    assert refused["hint"] == "hosts.hv.identity is the path of a private key"


UNREACHABLE = {
    "203.0.113.9": "cannot be reached: Network is unreachable",
    "nowhere.invalid": "no address of nowhere.invalid is known",
    "198.51.100.9": "does not answer within 10 s",
}


@pytest.mark.parametrize("address", UNREACHABLE)
def test_a_host_that_cannot_be_reached(site: Site, address: str) -> None:
    """The last is a neighbour who takes packets and says nothing."""
    site.client.output(["ip", "route", "add", "198.51.100.0/24", "via", REMOTE])
    site.remote.output(["ip", "route", "add", "blackhole", "198.51.100.0/24"])

    assert UNREACHABLE[address] in failure(site, replace(site.target, address=address))["message"]


def test_a_closed_port_and_one_that_is_no_sshds(site: Site) -> None:
    listener = "import socket,time; s=socket.create_server(('', 23)); print('up', flush=True); time.sleep(60)"
    with subprocess.Popen(
        [*site.remote.entering(), "python3", "-c", listener], stdout=subprocess.PIPE, start_new_session=True
    ) as silent:
        assert silent.stdout is not None
        silent.stdout.readline()
        closed = failure(site, replace(site.target, port=2222))
        mute = failure(site, replace(site.target, port=23))
        site.remote.output(["pkill", "-f", "create_server"])

    assert closed["message"] == f"host hv: {REMOTE} port 2222 refuses connections"
    assert f"{REMOTE} port 23 did not answer as an SSH server" in mute["message"]


def test_a_proxy_that_fails_says_so_in_its_own_words(site: Site) -> None:
    site.configure("Host box\n ProxyCommand echo no way >&2; false\n")

    refused = failure(site, replace(site.target, address="box"))

    assert "did not answer as an SSH server: no way" in refused["message"]


def test_a_configuration_that_ssh_cannot_read(site: Site) -> None:
    site.configure("Nonsense yes\n")

    refused = failure(site)

    assert "ssh cannot read its configuration" in refused["message"]
    assert "Bad configuration option: nonsense" in refused["message"]


def test_an_account_without_a_shell(site: Site) -> None:
    site.start_sshd(port=2222, user="alice", login="/usr/sbin/nologin")
    site.knows(f"[{REMOTE}]:2222")

    refused = failure(site, site.as_user("alice", port=2222))

    assert refused["message"].startswith(
        "host hv gives alice no shell: This account is currently not available"
    )


def test_an_sshd_that_allows_one_session_is_said_to(site: Site) -> None:
    site.start_sshd("MaxSessions 1", port=2222)
    site.knows(f"[{REMOTE}]:2222")
    step = {**run("true"), "hold": ["sh", "-c", "echo held; sh"]}

    works, refused = site.ask(run("true"), step, target=replace(site.target, port=2222))

    assert "results" in works
    assert "MaxSessions" in refused["hint"]


def _when_asleep(site: Site, kill: str) -> None:
    wait_for(
        lambda: [a for a in site.remote.processes().values() if a[0] == "sleep"],
        time.monotonic() + 20,
        "sleep",
    )
    site.remote.output(["sh", "-c", kill])


def test_a_connection_that_dies_in_the_middle_of_a_batch_is_a_lost_host_and_what_was_known_is_told(
    site: Site,
) -> None:
    killer = threading.Thread(target=_when_asleep, args=(site, "pkill -9 sshd"))
    killer.start()

    lost, again = site.ask(runs([("echo", "known"), ("sleep", "30"), ("echo", "never")]), run("true"))
    killer.join()

    assert lost["error"] == "LostError"
    assert lost["message"].startswith("hv is gone: the SSH connection broke")
    assert [r["out"] for r in lost["known"]] == ["known\n"]
    assert "refuses connections" in again["message"]


def test_only_the_connection_died_so_the_next_command_makes_another(site: Site) -> None:
    killer = threading.Thread(target=_when_asleep, args=(site, "pkill -9 -f 'sshd: roo[t]'"))
    killer.start()

    lost, again = site.ask(run("sleep", "30"), run("echo", "again"))
    killer.join()

    assert lost["error"] == "LostError"
    assert again["results"][0]["out"] == "again\n"


def test_a_frozen_host_is_given_up(site: Site) -> None:
    """Its kernel still acknowledges what is sent; neither a command, nor much input, nor the next connection hangs."""
    killer = threading.Thread(target=_when_asleep, args=(site, "pkill -STOP sshd"))
    killer.start()

    slow, next_one = site.ask(run("sleep", "30", timeout=3), run("true", timeout=3))
    killer.join()

    assert slow["error"] == "DeadlineError"
    assert "did not answer as an SSH server" in next_one["message"]


@pytest.mark.parametrize("through", ["sshd", "socat"])
def test_a_host_that_reads_no_more_is_given_up(site: Site, through: str) -> None:
    """Frozen is its sshd, or the program here that leads there."""
    if through == "socat":
        site.configure(f"Host box\n HostKeyAlias {REMOTE}\n ProxyCommand socat - TCP:{REMOTE}:22\n")
    freezing = ("sh", "-c", f"(sleep 0.5; pkill -STOP -x {through}) </dev/null >/dev/null 2>&1 &")

    *_, lost = site.ask(
        run("true"),
        run(*freezing, host="hv" if through == "sshd" else "here"),
        run("sleep", "1.5", host="here"),
        run("cat", stdin="x" * 4_000_000, timeout=300),
        target=replace(site.target, address="box") if through == "socat" else None,
        here=Target("here"),
    )

    assert lost["error"] == "LostError"
    assert "hv is gone: " in lost["message"]


def test_a_host_whose_link_is_cut_is_given_up(site: Site) -> None:
    """By what it does not acknowledge, well before the command's own deadline."""
    killer = threading.Thread(target=_when_asleep, args=(site, "ip link set wire down"))
    killer.start()

    (lost,) = site.ask(run("sleep", "1000", timeout=1000))
    killer.join()

    assert lost["error"] == "LostError"
    assert "hv is gone" in lost["message"]
