"""Every keyword that `ssh -G` prints is honoured, without meaning here, or refused; and the reference says which."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from provision.edges.ssh.configuration import read
from provision.edges.ssh.keywords import KEYWORDS, Meaning, refusals

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "tests" / "fixtures" / "openssh-10.5" / "keywords.txt"
NEVER_BY_DEFAULT = """
BindAddress 192.0.2.1
BindInterface lo
CertificateFile /none
ControlPath /none
DynamicForward 1
HostKeyAlias h
IdentityAgent none
IgnoreUnknown none
KbdInteractiveDevices pam
KnownHostsCommand /none
LocalCommand none
LocalForward 1 h:1
PKCS11Provider none
PreferredAuthentications password
ProxyCommand none
ProxyUseFdpass yes
PubkeyAuthentication no
RemoteCommand none
RemoteForward 1 h:1
RevokedHostKeys /none
SendEnv A
SetEnv A=b
"""


def printed(*options: str, config: str = "/dev/null") -> dict[str, list[str]]:
    done = subprocess.run(
        ["ssh", "-G", "-F", config, *options, "hv"],
        capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return read(done.stdout)


def rows() -> dict[str, Meaning]:
    return {keyword.name.lower(): keyword.meaning for keyword in KEYWORDS}


@pytest.fixture
def everything(tmp_path: Path) -> dict[str, list[str]]:
    """What the installed ssh prints, of jumps and of commands."""
    config = tmp_path / "config"
    config.write_text(NEVER_BY_DEFAULT.replace("ProxyCommand none", "ProxyCommand nc %h"))
    jump = printed("-o", "ProxyJump=hop")
    return jump | printed(config=str(config))


def test_every_keyword_that_ssh_prints_has_a_row(everything: dict[str, list[str]]) -> None:
    assert len(everything) > 90
    assert everything.keys() - rows().keys() == set()


def test_every_keyword_of_a_newer_ssh_has_a_row() -> None:
    kept = {line for line in KEPT.read_text().splitlines() if not line.startswith("#")}

    assert len(kept) > 90
    assert kept - rows().keys() == set()


def test_no_keyword_has_two_rows() -> None:
    assert len(rows()) == len(KEYWORDS)


def test_the_reference_has_the_table() -> None:
    table = [f"| {k.name} | {k.meaning} | {k.words} |" for k in KEYWORDS]
    section = (ROOT / "docs" / "reference.md").read_text().split("\n## SSH\n")[1].split("\n## ")[0]

    assert [line for line in section.splitlines() if line.startswith("|")] == [
        "| keyword | here | how, or why |", "|---|---|---|", *table,
    ]  # fmt: skip


def test_what_ssh_does_by_default_is_never_refused() -> None:
    assert list(refusals(printed())) == []


def test_everything_that_cannot_be_honoured_is_refused_by_its_keyword(
    everything: dict[str, list[str]],
) -> None:
    told = [reason.partition(" ")[0] for reason in refusals(everything)]

    refused = {keyword.name for keyword in KEYWORDS if keyword.meaning is Meaning.REFUSED}
    assert set(told) == refused - {"RefuseConnection"}, "which ssh refuses by itself"


def test_a_keyword_of_a_future_ssh_is_passed_over() -> None:
    assert list(refusals({"quantumauthentication": ["yes"]})) == []


@pytest.mark.parametrize("value", ["yes", "true", "unbound", "host-bound"])
def test_ways_of_logging_in_by_keys_are_not_refused(value: str) -> None:
    assert list(refusals({"pubkeyauthentication": [value]})) == []
