"""No host key is taken that is not known, and no key of ours is let in that is not theirs; each with what to do."""

from __future__ import annotations

import hashlib
import hmac
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provision.runtime.places import Target
from tests.real.hypervisor import wait_for
from tests.real.remote import REMOTE, Site, key_pair, public, remote_site, run


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with remote_site(tmp_path) as made:
        yield made


def fingerprint(key: Path) -> str:
    done = subprocess.run(["ssh-keygen", "-lf", f"{key}.pub"], capture_output=True, text=True, check=True)
    return done.stdout.split()[1]


@pytest.mark.parametrize("named", [True, False])
def test_an_unknown_key_is_refused_and_the_hint_accepts_just_that_one(
    site: Site, tmp_path: Path, *, named: bool
) -> None:
    known = tmp_path / "no such" / "known 'hosts'"
    target = replace(site.target, known_hosts=str(known) if named else "")

    refused = site.failure(target)

    assert refused["error"] == "HostKeyError"
    shown = fingerprint(tmp_path / "host_key")
    assert refused["message"] == f"host hv: the host key of {REMOTE} is not known: ED25519 {shown}"
    site.client.output(["sh", "-ec", refused["hint"].split("accept it: ")[1]])
    assert "results" in site.ask(run("true"), target=target)[0]
    accepted = known if named else site.client.path("/root/.ssh/known_hosts")
    assert accepted.read_text() == f"{REMOTE} {public(tmp_path / 'host_key')}\n"


def test_a_line_without_a_port_passes_for_another_port_as_it_does_for_ssh(site: Site, tmp_path: Path) -> None:
    site.start_sshd(port=2222)
    strict = ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]
    files = ["-o", f"UserKnownHostsFile={tmp_path / 'known_hosts'}", "-i", str(tmp_path / "id")]

    theirs = site.client.run(["ssh", *strict, *files, "-p", "2222", f"root@{REMOTE}", "true"])
    ours = site.ask(run("true"), target=replace(site.target, port=2222))[0]

    assert theirs.returncode == 0, theirs.stderr
    assert "results" in ours, ours


def test_a_changed_key_is_refused_with_both_fingerprints_and_the_hint_forgets_the_old(
    site: Site, tmp_path: Path
) -> None:
    other = key_pair(tmp_path / "other_key")
    site.start_sshd(port=2222, key="other_key")
    site.knows(f"[{REMOTE}]:2222")
    target = replace(site.target, port=2222)

    refused = site.failure(target)

    assert refused["error"] == "HostKeyError"
    assert "has CHANGED" in refused["message"]
    assert fingerprint(tmp_path / "host_key") in refused["message"]
    assert fingerprint(other) in refused["message"]
    site.client.output(["sh", "-ec", refused["hint"].split("forget the old key: ")[1]])
    assert "is not known" in site.failure(target)["message"]


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

    refused = site.failure(replace(site.target, identity=str(stranger)))

    assert refused["message"].startswith(
        f"host hv: root is not let in at {REMOTE} port 22: Authentication failed"
    )
    assert f"keys tried: {stranger}" in refused["message"]
    assert "~root/.ssh/authorized_keys" in refused["hint"]
    assert (tmp_path / "known_hosts").read_text() == before


def test_without_any_key_this_is_said(site: Site) -> None:
    assert "there is no key to try" in site.failure(replace(site.target, identity=""))["message"]


def test_an_encrypted_key_is_said_to_be_and_works_by_the_agent(site: Site, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.write_bytes((tmp_path / "id").read_bytes())
    locked.chmod(0o600)
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", str(locked)], check=True)
    target = replace(site.target, identity=str(locked))

    refused = site.failure(target)
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
    refused = site.failure(replace(site.target, identity=str(tmp_path / "gone")))

    assert refused["message"] == f"host hv: cannot read the identity {tmp_path / 'gone'}"
    assert refused["hint"] == "hosts.hv.identity is the path of a private key"


def test_libvirt_is_as_strict_about_a_host_on_the_way_as_commands_are(site: Site, tmp_path: Path) -> None:
    """`ssh` itself would be as strict about it as its own Host block has it."""
    site.remote.start_libvirtd()
    version = {"libvirt": "version"}
    hops = tmp_path / "hops"
    hops.write_text((tmp_path / "known_hosts").read_text())
    site.configure(
        f"Host box\n HostName {REMOTE}\n ProxyJump hop\nHost hop\n HostName {REMOTE}\n User root\n"
        f" IdentityFile {tmp_path}/id\n UserKnownHostsFile {hops}\n StrictHostKeyChecking no\n"
    )

    connected, answered, forgotten, still, libvirt = site.ask(
        run("true"),
        {**version, "host": "other"},
        run("truncate", "-s", "0", str(hops), host="here"),
        run("true"),
        version,
        target=replace(site.target, address="box"),
        other=replace(site.target, name="other", address="box"),
        here=Target("here"),
    )

    assert "results" in connected
    assert "said" in answered, answered
    assert "results" in forgotten
    assert "results" in still
    assert "Host key verification failed" in libvirt["message"]
    assert hops.read_text() == ""
