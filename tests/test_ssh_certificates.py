"""A host's certificate counts for the names that it has, as its authority has signed it, and not otherwise."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from provision.edges.ssh.certificates import fault, read_certificate

LATER = 1 << 31
NAMES = "h1.example,h?.example,[x]"


def certified(at: Path, kind: str, *options: str) -> bytes:
    """A certificate for a new key, by a new authority."""
    for name in ("ca", kind):
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(at / name)], check=True)
    key = str(at / f"{kind}.pub")
    subprocess.run(["ssh-keygen", "-q", "-s", str(at / "ca"), "-I", "i", *options, key], check=True)
    return base64.b64decode((at / f"{kind}-cert.pub").read_text().split()[1])


@pytest.fixture(scope="module")
def blob(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return certified(tmp_path_factory.mktemp("keys"), "ecdsa", "-h", "-n", NAMES)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("h1.example", ""),
        ("H1.example", ""),
        ("[x]", ""),
        ("x", "it is for h1.example, h?.example, [x]"),
        ("h2.example", "it is for h1.example, h?.example, [x]"),
    ],
)
def test_a_hosts_certificate_counts_for_the_names_that_it_has(blob: bytes, name: str, why: str) -> None:
    """A pattern among them is a name: `ssh` takes it for one since 10.3, and for none before."""
    assert fault(read_certificate(blob), name, (), LATER) == why


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("-n", "h"), "it is no host's"),
        (("-h",), "it names no host"),
        (("-h", "-n", "h", "-O", "critical:force-command=x"), "it has critical options"),
        (("-h", "-n", "h", "-V", "20300101:20310101"), "it is not yet valid"),
        (("-h", "-n", "h", "-V", "20000101:20100101"), "it has expired"),
    ],
)
def test_a_certificate_that_is_not_for_this_does_not_count(
    tmp_path: Path, options: tuple[str, ...], why: str
) -> None:
    assert fault(read_certificate(certified(tmp_path, "ed25519", *options)), "h", (), 1.6e9) == why


def test_a_certificate_counts_by_the_signatures_that_are_allowed(blob: bytes) -> None:
    read = read_certificate(blob)

    assert fault(read, "[x]", ("ecdsa-sha2-nistp256",), LATER) == ""
    assert "CASignatureAlgorithms" in fault(read, "[x]", ("ssh-ed25519",), LATER)


@given(place=st.integers(0, 700), value=st.integers(0, 255))
@example(place=0, value=0)
def test_a_certificate_that_somebody_has_changed_does_not_count(blob: bytes, place: int, value: int) -> None:
    """Whatever the change; that it cannot be read any more is an error that is told, too."""
    point = blob.index(b"nistp256\0\0\0A\4") + len(b"nistp256\0\0\0A")
    at = point if place == 0 else place % len(blob)
    changed = blob[:at] + bytes([2 if place == 0 else value]) + blob[at + 1 :]
    if changed == blob:
        return

    try:
        why = fault(read_certificate(changed), "[x]", (), LATER)
    except ValueError:
        return
    assert why


@pytest.mark.parametrize("cut", [0, 3, 40, 200])
def test_what_is_torn_is_no_certificate(blob: bytes, cut: int) -> None:
    try:
        read = read_certificate(blob[:cut])
    except ValueError:
        return
    assert fault(read, "[x]", (), LATER)
