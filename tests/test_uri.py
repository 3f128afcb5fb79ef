"""What a libvirt's URI says of where its machines are."""

from __future__ import annotations

import pytest

from provision.cli.output import Output
from provision.cli.targets import everywhere
from provision.edges.uri import reach, ssh_target
from provision.runtime.errors import RequestError
from provision.runtime.places import Target

REMOTE = Target("hv1", "hv1", 2222, "root", libvirt="qemu:///system")


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("qemu:///system", Target("local", libvirt="qemu:///system")),
        ("qemu:///session", Target("local", libvirt="qemu:///session")),
        ("test:///default", Target("local", libvirt="test:///default")),
        ("qemu+unix:///system?socket=/run/x", Target("local", libvirt="qemu+unix:///system?socket=/run/x")),
        ("qemu+ssh://root@hv1:2222/system", REMOTE),
        ("qemu+ssh://hv1/system", Target("hv1", "hv1", libvirt="qemu:///system")),
        ("qemu+ssh://[fe80::1]/system", Target("fe80::1", "fe80::1", libvirt="qemu:///system")),
        (
            "qemu+ssh://hv1/system?keyfile=/k&known_hosts=/h&mode=direct",
            Target("hv1", "hv1", identity="/k", known_hosts="/h", libvirt="qemu:///system?mode=direct"),
        ),
        ("qemu+tls://hv1/system", Target("hv1", "hv1", uri="qemu+tls://hv1/system")),
        (
            "qemu+tcp://me@hv1:16509/system",
            Target("hv1", "hv1", user="me", uri="qemu+tcp://me@hv1:16509/system"),
        ),
        ("qemu://hv1/system", Target("hv1", "hv1", uri="qemu://hv1/system")),
    ],
)
def test_a_host_is_the_uris(uri: str, target: Target) -> None:
    found = reach(uri)

    assert (found.host, found.daemon, found.name) == (target, target, target.name)


def test_a_name_keeps_its_capitals_as_it_may_be_an_alias_of_sshs() -> None:
    assert ssh_target("ssh://me@Upper1:2200") == Target("Upper1", "Upper1", 2200, "me")
    assert reach("qemu+ssh://Upper1/system").host.address == "Upper1"


def test_hosts_of_one_address_are_told_apart_by_their_ports() -> None:
    with everywhere(Output(), ("ssh://h:2401", "ssh://h", "ssh://other")) as (names, _):
        assert names == ["h:2401", "h:22", "other"]
    with (
        pytest.raises(RequestError, match="h:22 is named twice"),
        everywhere(Output(), ("ssh://h", "ssh://h:22")),
    ):
        pass


def test_a_host_that_is_named_has_the_taps_and_keeps_the_uris_name() -> None:
    found = reach("qemu+tls://hv1/system", "ssh://me@10.0.0.1:2200")

    assert found.name == "hv1"
    assert found.host == Target("hv1", "10.0.0.1", 2200, "me")
    assert found.daemon.uri == "qemu+tls://hv1/system"


def test_without_uri_there_is_only_the_host() -> None:
    assert reach("").name == "local"
    assert reach("", "ssh://hv1").host == Target("hv1", "hv1")


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "hv1",
        "http://hv1",
        "ssh://",
        "ssh://hv1/x",
        "ssh://me:secret@hv1",
        "ssh://hv1:x",
        "ssh://[::1",
        "ssh://hv1?a=b",
        "ssh://hv\udcff",
    ],
)
def test_what_is_no_host_is_refused(uri: str) -> None:
    with pytest.raises(RequestError):
        ssh_target(uri)


@pytest.mark.parametrize(
    "uri", ["xen+ssh://hv1/system", "qemu+ssh://hv1/", "qemu+ssh://hv1:x/system", "qemu://[::1/system"]
)
def test_a_libvirt_that_ssh_does_not_lead_to_is_refused(uri: str) -> None:
    with pytest.raises(RequestError):
        reach(uri)


@pytest.mark.parametrize(
    "uri", ["foo bar", "qemu:///sys tem", "://x", "-c", "a/b", "qemu+ssh://h/system?a=\udcff"]
)
def test_what_is_no_uri_is_the_users_mistake(uri: str) -> None:
    with pytest.raises(RequestError, match="no libvirt"):
        reach(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "qemu+tcp://me:pl4nted@hv1/system",
        "qemu+ssh://me:pl4nted@hv1/system",
        "qemu+unix:///system?password=pl4nted",
        "ssh://me:pl4nted@hv1",
    ],
)
def test_a_password_in_a_uri_is_refused_and_not_told(uri: str) -> None:
    with pytest.raises(RequestError) as raised:
        ssh_target(uri) if uri.startswith("ssh") else reach(uri)

    assert "pl4nted" not in f"{raised.value} {raised.value.hint}"
