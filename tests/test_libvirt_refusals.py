"""What libvirt's refusals come to, by their codes: libvirt's own client gives them, and one composed error each else."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import libvirt
import pytest

from provision.edges.libvirt.connection import Libvirt
from provision.edges.libvirt.default_uri import default_uri
from provision.edges.libvirt.refusals import refused
from provision.edges.uri import reach
from provision.runtime.errors import HostError, RequestError, RscvmError
from tests.lying_libvirt import Lie, lying, refuses

if TYPE_CHECKING:
    from collections.abc import Iterator

SYSTEM, REMOTE = "qemu:///system", "qemu+ssh://hv1/system"
NO_AGENT = (
    "authentication unavailable: no polkit agent available to authenticate action 'org.libvirt.unix.manage'"
)
"""As libvirt 9.0.0's rpc/virnetserverclient.c and util/virpolkit.c have it."""


def error(code: int, number: int = -1, domain: int = 0) -> libvirt.libvirtError:
    """An error as libvirt's binding has it; composed."""
    libvirt.virResetLastError()  # else its words are those of the last call that failed in this thread
    made = libvirt.libvirtError(NO_AGENT)
    made.err = (code, domain, NO_AGENT, libvirt.VIR_ERR_ERROR, None, None, None, number, -1)
    return made


@pytest.mark.parametrize(
    ("uri", "code", "kind", "words"),
    [
        (SYSTEM, (libvirt.VIR_ERR_SYSTEM_ERROR, 13), HostError, ("does not let this user in", "group of libvirt's socket")),
        (SYSTEM, (libvirt.VIR_ERR_AUTH_UNAVAILABLE, -1), HostError, ("does not let this user in", "by polkit")),
        (SYSTEM, (libvirt.VIR_ERR_AUTH_FAILED, -1), HostError, ("does not let this user in", "by polkit")),
        (REMOTE, (libvirt.VIR_ERR_AUTH_UNAVAILABLE, -1), HostError, ("does not let this user in", "may this user use it there")),
        (REMOTE, (libvirt.VIR_ERR_SYSTEM_ERROR, 5), HostError, ("libvirt does not answer at", "is libvirtd running there")),
        ("qemu+tls://hv1/system", (libvirt.VIR_ERR_SYSTEM_ERROR, 2), HostError, ("libvirt does not answer at", "is libvirtd running there")),
        (SYSTEM, (libvirt.VIR_ERR_SYSTEM_ERROR, 111), HostError, ("libvirt does not answer at", "libvirt")),
        ("qemu:///session", (libvirt.VIR_ERR_SYSTEM_ERROR, 2), HostError, ("libvirt does not answer at", "libvirt")),
        ("qemu+unix:///system?socket=/x", (libvirt.VIR_ERR_SYSTEM_ERROR, 2), HostError, ("libvirt does not answer at", "is that the socket")),
        ("qemu:///sistem", (libvirt.VIR_ERR_INTERNAL_ERROR, -1), RequestError, ("is no libvirt's URI", "such as qemu:///system")),
        ("kvm:///x", (libvirt.VIR_ERR_NO_CONNECT, -1), RequestError, ("is no libvirt's URI", "such as qemu:///system")),
        ("qemu+pigeon:///system", (libvirt.VIR_ERR_INVALID_ARG, -1), RequestError, ("is no libvirt's URI", "such as qemu:///system")),
        ("qemu:///sistem", (libvirt.VIR_ERR_SYSTEM_ERROR, 2), RequestError, ("is no libvirt's URI", "such as qemu:///system")),
        (SYSTEM, (libvirt.VIR_ERR_NO_CONNECT, -1), HostError, ("libvirt does not answer at", "")),
        (SYSTEM, (libvirt.VIR_ERR_INTERNAL_ERROR, -1), HostError, ("libvirt does not answer at", "")),
    ],
)  # fmt: skip
def test_each_code_says_who_has_to_act(
    uri: str, code: tuple[int, int], kind: type[RscvmError], words: tuple[str, str]
) -> None:
    said = refused(uri, uri, error(*code))

    assert type(said) is kind
    assert words[0] in str(said)
    assert uri in str(said)
    unread = kind is RequestError and code[0] == libvirt.VIR_ERR_SYSTEM_ERROR
    assert (NO_AGENT in str(said)) is not unread, "whoever was not reached has said nothing of the URI"
    assert words[1] in said.hint


@pytest.fixture
def place() -> Iterator[Path]:
    """Where a liar listens; the name of a socket is short."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory) / "s"


def test_a_daemon_that_lets_nobody_in_is_told_by_its_code_through_libvirts_own_client(place: Path) -> None:
    lie = Lie(answers={"auth": refuses(libvirt.VIR_ERR_AUTH_UNAVAILABLE, NO_AGENT.encode())})

    with lying(place, lie) as uri, pytest.raises(HostError, match="does not let this user in") as raised:
        Libvirt(uri).version()

    assert "org.libvirt.unix.manage by polkit" in raised.value.hint


@pytest.mark.parametrize(
    "uri", ["no-such-alias", "qemu:///sistem", "qemu:///system/", "qemu+carrier-pigeon:///system"]
)
def test_a_uri_that_is_none_is_the_users_mistake(uri: str) -> None:
    with pytest.raises(RequestError, match="is no libvirt's URI") as raised:
        Libvirt(uri).version()

    assert "qemu+ssh://USER@HOST/system" in raised.value.hint


@pytest.mark.parametrize(
    ("uri", "meant"),
    [
        ("qemu://system", "qemu:///system"),
        ("qemu://session/", "qemu:///session"),
        ("qemu+unix://system", "qemu+unix:///system"),
    ],
)
def test_two_slashes_are_told_from_three(uri: str, meant: str) -> None:
    with pytest.raises(RequestError) as raised:
        reach(uri)

    assert raised.value.hint == f"did you mean {meant}?"
    assert reach("qemu://system/system").name == "system"


def test_libvirts_own_choice_is_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "test:///default")

    assert default_uri() == "test:///default"


def test_a_polkit_that_cannot_be_asked_is_told_as_one_that_says_no() -> None:
    said = refused(SYSTEM, SYSTEM, error(libvirt.VIR_ERR_INTERNAL_ERROR, domain=libvirt.VIR_FROM_DBUS))

    assert "does not let this user in" in str(said)
    assert "by polkit" in said.hint
