"""What is told of a host whose key is not known, and by which lines it is."""

from __future__ import annotations

import base64
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from provision.edges.ssh.configuration import read
from provision.edges.ssh.host import sudoers_hint
from provision.edges.ssh.known_hosts import HostKeyError, Shown, fingerprint, trust
from provision.edges.ssh.route import Route, _read_route, ssh_options
from provision.edges.ssh.transport import Line
from provision.runtime.places import Target

KIND = "ssh-ed25519"
KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIIvYiREvWoFSPXTg6pAXMUZbHuOk6x0nJy8VPCRMyVXb"
BLOB = base64.b64decode(KEY)


def route(*files: Path, port: int = 22, own: bool = True) -> Route:
    name = "hv" if port == 22 else f"[hv]:{port}"
    known = tuple(map(str, files))
    bare = "hv" if port != 22 else ""
    return Route(
        "hv", port, "root", name, bare, (), only=False, known_hosts=known, own=own, bind="", proxy=""
    )


def refusal(way: Route) -> HostKeyError:
    with pytest.raises(HostKeyError) as caught:
        trust("h", way, Shown(KIND, BLOB, 256))
    return caught.value


def accept(hint: str) -> None:
    subprocess.run(["sh", "-ec", hint.split("accept it: ")[1]], check=True)


@pytest.mark.parametrize("before", ["", "other ssh-rsa AAAA\n", "other ssh-rsa AAAA"])
def test_the_hint_adds_a_line_of_its_own(tmp_path: Path, before: str) -> None:
    file = tmp_path / "known hosts"
    file.write_text(before)

    accept(refusal(route(file)).hint)

    assert file.read_text() == f"{before}{chr(10) if before[-1:] == 'A' else ''}hv {KIND} {KEY}\n"
    trust("h", route(file), Shown(KIND, BLOB, 256))


@pytest.mark.parametrize("files", [(), (Path("/dev/null"),)])
def test_where_ssh_keeps_no_keys_the_hint_names_a_file_for_the_lab_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: tuple[Path, ...]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    known = tmp_path / ".ssh" / "known_hosts"

    hint = refusal(route(*files, Path("/etc/ssh/ssh_known_hosts"), own=bool(files))).hint
    accept(hint)

    assert f"let hosts.h.known_hosts be {known}" in hint
    assert known.read_text() == f"hv {KIND} {KEY}\n"


def test_a_file_of_known_hosts_with_a_blank_in_its_name_is_one_before_it_is_there(tmp_path: Path) -> None:
    said = (str(tmp_path / "a b"), str(tmp_path / "c"))
    (tmp_path / "config").write_text(f'UserKnownHostsFile "{said[0]}" "{said[1]}"\n')

    text = subprocess.run(
        ["ssh", "-G", "-F", str(tmp_path / "config"), "hv"],
        capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL,
    ).stdout  # fmt: skip

    assert _read_route(Target("h", "hv"), read(text)).known_hosts[:2] == said


@pytest.mark.parametrize("revoked", ["hv", "*", "h?,other"])
@pytest.mark.parametrize("first", [True, False])
def test_a_revoked_key_does_not_pass_though_another_line_knows_it(
    tmp_path: Path, revoked: str, *, first: bool
) -> None:
    lines = [f"@revoked {revoked} {KIND} {KEY}", f"hv {KIND} {KEY}"]
    file = tmp_path / "known_hosts"
    file.write_text("\n".join((*(lines if first else reversed(lines)), "")))

    error = refusal(route(file))

    assert f"has revoked: ED25519 {fingerprint(BLOB)}" in str(error)
    assert error.hint == ""


def test_a_key_that_is_revoked_for_others_passes(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"@revoked other {KIND} {KEY}\nhv {KIND} {KEY}\n")

    trust("h", route(file), Shown(KIND, BLOB, 256))


@pytest.mark.parametrize("known", ["", "hv", "[hv]:2222"])
def test_a_key_that_is_revoked_without_a_port_passes_at_no_other(tmp_path: Path, known: str) -> None:
    """`ssh` lets it pass where a line with the port knows it; whoever revokes a key means the key."""
    file = tmp_path / "known_hosts"
    file.write_text(f"@revoked\thv {KIND} {KEY}\n" + (f"{known} {KIND} {KEY}\n" if known else ""))

    assert "has revoked" in str(refusal(route(file, port=2222)))


def test_an_authority_that_might_vouch_for_the_host_is_told_of(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"@cert-authority *.example.org,hv {KIND} {KEY}\n")

    assert f"{file} has a @cert-authority for it, and it shows no certificate" in str(refusal(route(file)))
    file.write_text(f"@cert-authority *.example.org {KIND} {KEY}\n")
    assert "@cert-authority" not in str(refusal(route(file)))


def test_a_line_without_a_port_passes_for_every_port_unless_there_is_one_with(tmp_path: Path) -> None:
    """As OpenSSH has it (sshconnect.c, check_host_key: `checking without port identifier`)."""
    file = tmp_path / "known_hosts"
    file.write_text(f"hv {KIND} {KEY}\n")
    other = base64.b64encode(BLOB[:-1] + b"x").decode()

    trust("h", route(file, port=2222), Shown(KIND, BLOB, 256))
    file.write_text(f"hv {KIND} {KEY}\n[hv]:2222 {KIND} {other}\n")

    assert "has CHANGED" in str(refusal(route(file, port=2222)))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("192.0.2.9 {key}", ""),
        ("192.0.2.9 {other}", "has another key for its address 192.0.2.9, which CheckHostIP"),
        ("192.0.2.9 {other}\n192.0.2.9 {key}", ""),
        ("@revoked 192.0.2.9 {key}", "has revoked"),
        ("192.0.2.8 {other}", ""),
    ],
)
def test_an_address_that_is_known_with_another_key_does_not_pass(
    tmp_path: Path, line: str, words: str
) -> None:
    file = tmp_path / "known_hosts"
    other = f"{KIND} {base64.b64encode(BLOB[:-1] + b'x').decode()}"
    file.write_text(f"hv {KIND} {KEY}\n{line.format(key=f'{KIND} {KEY}', other=other)}\n")

    if not words:
        trust("h", route(file), Shown(KIND, BLOB, 256, address="192.0.2.9"))
        return
    with pytest.raises(HostKeyError, match=words):
        trust("h", route(file), Shown(KIND, BLOB, 256, address="192.0.2.9"))


def test_a_certificate_that_cannot_be_read_leaves_the_key(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"@cert-authority hv {KIND} {KEY}\n")
    shown = Shown(KIND, BLOB, 256, certificate=b"\0\0\0\1x")

    with pytest.raises(
        HostKeyError, match=r"is not known: ED25519 .*; its certificate cannot be read: 'x' is no certificate"
    ):
        trust("h", route(file), shown)
    file.write_text(f"hv {KIND} {KEY}\n")
    trust("h", route(file), shown)


@pytest.mark.parametrize("text", ["id: x\n", "hash: SHA256:abc\n", "nonsense\n"])
def test_a_list_of_revoked_keys_that_ssh_could_not_read_lets_no_key_pass(tmp_path: Path, text: str) -> None:
    file, listed = tmp_path / "known_hosts", tmp_path / "revoked"
    file.write_text(f"hv {KIND} {KEY}\n")
    listed.write_text(text)

    assert f"cannot be told: {listed}: " in str(refusal(replace(route(file), revoked=(str(listed),))))


def test_what_a_configuration_has_for_people_is_not_done_for_us() -> None:
    laxer = ("VerifyHostKeyDNS=yes", "NoHostAuthenticationForLocalhost=yes", "StrictHostKeyChecking=no")
    people = ("RemoteCommand=tmux", "PermitLocalCommand=yes", "ForwardAgent=yes", "ControlPath=/run/master")
    config = [word for option in (*laxer, *people) for word in ("-o", option)]
    options = ssh_options(Target("h", "hv"))

    said = subprocess.run(
        ["ssh", "-G", *options, *config, "hv"],
        capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL,
    ).stdout.splitlines()  # fmt: skip

    assert {"permitlocalcommand no", "forwardagent no", "nohostauthenticationforlocalhost no"} <= set(said)
    assert {"verifyhostkeydns false", "stricthostkeychecking true"} <= set(said)
    assert not [line for line in said if line.startswith(("remotecommand tmux", "controlpath"))]


def test_a_connection_comes_from_the_address_that_the_configuration_binds_to() -> None:
    assert _read_route(Target("h", "hv"), read("hostname hv\nbindaddress 10.0.0.1\n")).bind == "10.0.0.1"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        way = Route(
            "127.0.0.1",
            port,
            "root",
            "hv",
            "",
            (),
            only=False,
            known_hosts=(),
            own=True,
            bind="127.0.0.7",
            proxy="",
        )
        line = Line("h", way)
        there, (address, _) = server.accept()
        there.close()
        line.close()

    assert address == "127.0.0.7"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("sudo: a password is required", r"a\ b ALL=(root) NOPASSWD: /bin/sh"),
        ("sudo: sorry, you must have a tty to run sudo", r"Defaults:a\ b !requiretty"),
        ("sudo: unable to resolve host hv", ""),
    ],
)
def test_the_line_for_sudoers_is_about_what_sudo_said(said: str, words: str) -> None:
    hint = sudoers_hint("a b", "/bin/sh", said)

    assert words in hint
    assert bool(hint) is bool(words)
