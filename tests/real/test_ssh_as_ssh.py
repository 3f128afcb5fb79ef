"""Where `ssh` goes by ~/.ssh/config we go, and where it refuses a host we do; where we cannot follow, we say why."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from provision.runtime.places import Target
from tests.real.hypervisor import wait_for
from tests.real.remote import REMOTE, Site, key_pair, public, remote_site, run

CERTIFIED, EXPIRED, MISNAMED = 2222, 2223, 2224

# Each: the lines of its Host block, and what our refusal says. An empty one means that both are let in.
CASES = {
    "plain": ("", ""),
    "listed": ("RevokedHostKeys {at}/revoked", "{at}/revoked has revoked: ED25519"),
    "listed by its certificate": ("RevokedHostKeys {at}/host_key-cert.pub", "{at}/host_key-cert.pub has revoked: ED25519"),
    "others listed": ("RevokedHostKeys {at}/others", ""),
    "in a KRL": ("RevokedHostKeys {at}/krl", "{at}/krl has revoked: ED25519"),
    "others in a KRL": ("RevokedHostKeys {at}/others.krl", ""),
    "no list": ("RevokedHostKeys {at}/none", "cannot be told: {at}/none: No such file"),
    "broken list": ("RevokedHostKeys {at}/broken", "cannot be told: {at}/broken: "),
    "authority listed": ("Port 2222\n RevokedHostKeys {at}/authority\n {ca}", "{at}/authority has revoked"),
    "marked": ("UserKnownHostsFile {at}/marked", "{at}/marked has revoked"),
    "marked without the port": ("Port 2222\n UserKnownHostsFile {at}/marked_bare", "{at}/marked_bare has revoked"),
    "authority marked": ("Port 2222\n UserKnownHostsFile {at}/authority_marked", "{at}/authority_marked has revoked"),
    "agent": ("IdentityFile /none\n IdentityAgent {at}/agent", ""),
    "no agent": ("IdentityFile /none\n IdentityAgent none", "there is no key to try"),
    "agent by default": ("IdentityFile /none", ""),
    "agent by its variable": ("IdentityFile /none\n IdentityAgent SSH_AUTH_SOCK", ""),
    "agent by another": ("IdentityFile /none\n IdentityAgent $ANOTHER", ""),
    "agent by none": ("IdentityFile /none\n IdentityAgent $NONE", "there is no key to try"),
    "agent by public half": ("IdentityFile {at}/id_public\n IdentitiesOnly yes", ""),
    "key that others may read": ("IdentityAgent none\n IdentityFile {at}/open", "may be read by others (mode 0644)"),
    "agent that will not sign": ("IdentityAgent {at}/unwilling", ""),
    "own certificate": ("Port 2222\n {ca}\n IdentityAgent none\n IdentityFile {at}/user", ""),
    "no certificate": ("Port 2222\n {ca}\n IdentityAgent none\n IdentityFile {at}/bare", "Authentication failed"),
    "certificate elsewhere": (
        "Port 2222\n {ca}\n IdentityAgent none\n IdentityFile {at}/bare\n CertificateFile {at}/user-cert.pub",
        "",
    ),
    "certificate in the agent": ("Port 2222\n {ca}\n IdentityFile /none\n IdentityAgent {at}/certified", ""),
    "certificate for the agent's": (
        "Port 2222\n {ca}\n IdentityFile /none\n IdentityAgent {at}/unwilling\n CertificateFile {at}/user-cert.pub",
        "Authentication failed",
    ),
    "plain keys alone": (
        "Port 2222\n {ca}\n IdentityAgent none\n IdentityFile {at}/user\n PubkeyAcceptedAlgorithms ssh-ed25519",
        "PubkeyAcceptedAlgorithms has not",
    ),
    "host's certificate": ("Port 2222\n {ca}", ""),
    "by another authority": (
        "Port 2222\n UserKnownHostsFile {at}/another",
        "no @cert-authority that is known for it has signed its certificate",
    ),
    "by another authority, but known": ("Port 2222\n UserKnownHostsFile {at}/another {at}/known_hosts", ""),
    "expired": ("Port 2223\n {ca}", "its certificate does not count: it has expired"),
    "expired, but known": ("Port 2223\n UserKnownHostsFile {at}/authorities {at}/known_hosts", ""),
    "for another name": ("Port 2224\n {ca}", "does not count: it is for another"),
    "by an alias": ("Port 2224\n HostKeyAlias another\n {ca}", ""),
    "signed otherwise": ("Port 2222\n {ca}\n CASignatureAlgorithms rsa-sha2-512", "CASignatureAlgorithms has not"),
    "short": ("Port 2224\n HostKeyAlias another\n {ca}\n RequiredRSASize 4096", "shows an RSA key of 2048 bits"),
    "own key short": (
        "Port 2222\n {ca}\n IdentityAgent none\n IdentityFile {at}/user\n RequiredRSASize 4096",
        "has 2048 bits, and RequiredRSASize is 4096",
    ),
    "no certificates": ("Port 2222\n {ca}\n HostKeyAlgorithms ssh-ed25519", "it shows no certificate"),
    "jump": ("ProxyJump hop", ""),
    "jump from an unknown host": ("ProxyJump stranger", "through ProxyJump stranger, is not reached: No ED25519 host key is known"),
    "command": ("ProxyCommand socat - TCP:%h:%p", ""),
    "command that tells": (
        "ProxyCommand sh -xc 'false --auth secret %h'",
        "through `sh`, is not reached: + *** --auth *** ",
    ),
    "command that fails": ("ProxyCommand false secret", "through `false`, did not answer as an SSH server"),
    "other family": ("AddressFamily inet6", "no address of 192.0.2.2 is known"),
    "interface": ("BindInterface wire", ""),
    "other interface": ("BindInterface lo", "cannot be reached"),
    "interface with IPv6": ("HostName fd00::2\n BindInterface wire\n HostKeyAlias {name}", ""),
    "no keys": ("PubkeyAuthentication no", "PubkeyAuthentication is set: "),
    "other ways first": ("PreferredAuthentications password", "PreferredAuthentications is set: "),
    "other ways, too": ("PreferredAuthentications password,publickey", ""),
    "ciphers": ("Ciphers aes256-ctr", ""),
    "rekeyed": ("RekeyLimit 16", ""),
}  # fmt: skip
STRICTER = {
    "two jumps, the first lax": ("ProxyJump lax,hop", "through ProxyJump lax,hop, is not reached: No ED25519 host key is known"),
    "marked without the port, known with it": (
        "Port 2222\n UserKnownHostsFile {at}/marked_bare {at}/with_port",
        "{at}/marked_bare has revoked",
    ),
    "keys by a command": ("KnownHostsCommand /bin/echo {name} {key}", "KnownHostsCommand is set: "),
    "cipher that we have not": (
        "Ciphers chacha20-poly1305@openssh.com",
        "Ciphers of ssh's configuration leaves none that rscvm has",
    ),
    "localhost's key": (
        "HostName 127.0.0.1\n Port 2225\n UserKnownHostsFile /dev/null\n NoHostAuthenticationForLocalhost yes",
        "is not known",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Outcomes:
    """How each case ended, by `ssh` and by us."""

    theirs: dict[str, tuple[int, str]]
    ours: dict[str, dict[str, Any]]


def signed(key: Path, authority: Path, *options: str) -> None:
    """Its certificate, beside it."""
    subprocess.run(["ssh-keygen", "-q", "-s", str(authority), "-I", "it", *options, f"{key}.pub"], check=True)


def made_files(site: Site) -> None:
    """Keys, certificates, and the files that the cases name."""
    at = site.at
    for name, kind in (("ca", "ecdsa"), ("other_ca", "ed25519"), ("stranger", "ed25519")):
        key_pair(at / name, "-t", kind)
    for name in ("user", "misnamed"):
        key_pair(at / name, "-t", "rsa", "-b", "2048")
    for name in ("expired", "bare"):
        for end in ("", ".pub"):
            (at / f"{name}{end}").write_bytes(
                (at / f"{'user' if name == 'bare' else 'host_key'}{end}").read_bytes()
            )
        (at / name).chmod(0o600)
    (at / "open").write_bytes((at / "id").read_bytes())
    (at / "open").chmod(0o644)
    (at / "id_public").write_bytes((at / "id.pub").read_bytes())
    signed(at / "host_key", at / "ca", "-h", "-n", f"other,{REMOTE}")
    signed(at / "expired", at / "ca", "-h", "-n", REMOTE, "-V", "-2h:-1h")
    signed(at / "misnamed", at / "ca", "-h", "-n", "another")
    signed(at / "user", at / "ca", "-n", "root")
    host, authority, stranger = (public(at / name) for name in ("host_key", "ca", "stranger"))
    for name, text in {
        "revoked": f"# a comment\n\n{stranger}\n{host}\n",
        "others": f"{stranger}\n",
        "authority": f"{authority}\n",
        "broken": f"{stranger}\nnonsense\n",
        "marked": f"{REMOTE} {host}\n@revoked * {host}\n",
        "marked_bare": f"{REMOTE} {host}\n@revoked {REMOTE} {host}\n",
        "with_port": f"[{REMOTE}]:2222 {host}\n",
        "authorities": f"@cert-authority another,{REMOTE} {authority}\n",
        "authority_marked": f"@cert-authority {REMOTE} {authority}\n@revoked * {authority}\n",
        "another": f"@cert-authority {REMOTE} {public(at / 'other_ca')}\n",
    }.items():
        (at / name).write_text(text)
    for krl, keys in (("krl", "revoked"), ("others.krl", "others")):
        subprocess.run(["ssh-keygen", "-q", "-k", "-f", str(at / krl), str(at / keys)], check=True)


def started_agent(site: Site, name: str, *adding: str) -> subprocess.Popen[bytes]:
    """An agent at a socket of that name that holds a key."""
    place = site.at / name
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(place)], stdout=subprocess.DEVNULL)
    wait_for(place.is_socket, time.monotonic() + 10, "the agent")
    site.client.output(["ssh-add", "-q", *adding], env={"SSH_AUTH_SOCK": str(place)})
    return agent


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcomes]:
    """All cases at once, as each needs only a connection."""
    at = tmp_path_factory.mktemp("site")
    with remote_site(at) as site:
        made_files(site)
        agents = [
            started_agent(site, "agent", str(at / "id")),
            started_agent(site, "unwilling", "-c", str(at / "user")),
            started_agent(site, "certified", str(at / "user")),
        ]
        try:
            for port, key in ((CERTIFIED, "host_key"), (EXPIRED, "expired"), (MISNAMED, "misnamed")):
                certificate = f"HostCertificate {at / key}-cert.pub"
                site.start_sshd(certificate, f"TrustedUserCAKeys {at / 'ca'}.pub", port=port, key=key)
            localhost = ["socat", "TCP-LISTEN:2225,bind=127.0.0.1,fork", f"TCP:{REMOTE}:22"]
            agents.append(subprocess.Popen([*site.client.entering(), *localhost], start_new_session=True))
            for host, address in ((site.client, "fd00::1/64"), (site.remote, "fd00::2/64")):
                host.output(["ip", "addr", "add", address, "dev", "wire", "nodad"])
            yield both(site, {**CASES, **STRICTER})
        finally:
            for agent in agents:
                agent.kill()
                agent.wait()


def both(site: Site, cases: dict[str, tuple[str, str]]) -> Outcomes:
    """What becomes of the cases, each a Host of ~/.ssh/config; what it says stands before what all have."""
    at = site.at
    values = {
        "at": at,
        "ca": f"UserKnownHostsFile {at}/authorities",
        "name": REMOTE,
        "key": public(at / "host_key"),
    }
    lines = [lines.format(**values) for lines, _ in cases.values()]
    key = f"IdentityFile {at}/id"
    blocks = [
        f"Host case{n}\n {said}\n {'' if 'IdentityFile' in said else key}\n" for n, said in enumerate(lines)
    ]
    hops = f"Host hop\n {key}\nHost stranger\n {key}\n UserKnownHostsFile /dev/null\n"
    hops += f"Host lax\n {key}\n UserKnownHostsFile /dev/null\n StrictHostKeyChecking no\n"
    usual = f"Host *\n HostName {REMOTE}\n User root\n UserKnownHostsFile {at}/known_hosts\n"
    site.configure("".join((*blocks, hops, usual)))
    environment = {"SSH_AUTH_SOCK": f"{at}/agent", "ANOTHER": f"{at}/agent"}
    targets = {name: Target(name, f"case{number}") for number, name in enumerate(cases)}
    strict = ("-n", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=5")

    def theirs(target: Target) -> tuple[int, str]:
        done = site.client.run(["ssh", *strict, target.address, "true"], env=environment)
        return done.returncode, done.stderr.decode()

    def ours(names: Sequence[str]) -> list[dict[str, Any]]:
        return site.driver(targets, [run("true", host=name) for name in names], environment)

    shares = [list(cases)[start::3] for start in range(3)]
    with ThreadPoolExecutor(6) as pool:  # sshd takes ten at a time that have not logged in
        answers = pool.map(ours, shares)
        outcomes = pool.map(theirs, targets.values())
        told = [zip(*pair, strict=True) for pair in zip(shares, answers, strict=True)]
        return Outcomes(dict(zip(cases, outcomes, strict=True)), dict(chain.from_iterable(told)))


@pytest.mark.parametrize("name", CASES)
def test_we_go_where_ssh_goes_and_nowhere_else(outcomes: Outcomes, name: str) -> None:
    status, complaint = outcomes.theirs[name]
    ours, words = outcomes.ours[name], CASES[name][1].partition("{at}")[2] or CASES[name][1]

    assert ("results" in ours) == (status == 0), (ours, complaint)
    assert ("results" in ours) == (not words), ours
    assert words in ours.get("message", ""), ours


@pytest.mark.parametrize("name", STRICTER)
def test_where_we_are_stricter_than_ssh_we_say_why(outcomes: Outcomes, name: str) -> None:
    status, complaint = outcomes.theirs[name]

    assert status == 0, complaint
    assert STRICTER[name][1].partition("{at}")[2] or STRICTER[name][1] in outcomes.ours[name]["message"]


def test_a_message_names_the_first_word_of_a_command_alone(outcomes: Outcomes) -> None:
    for name in ("command that fails", "command that tells"):
        assert "secret" not in str(outcomes.ours[name])
