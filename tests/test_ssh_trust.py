"""What is told of a host whose key is not known, and by which lines it is."""

from __future__ import annotations

import base64
import socket
import subprocess
from pathlib import Path

import pytest

from provision.edges.ssh.host import sudoers_hint
from provision.edges.ssh.known_hosts import HostKeyError, fingerprint, trust
from provision.edges.ssh.route import Route, _read_route, ssh_options
from provision.edges.ssh.transport import Line
from provision.runtime.protocols import Target

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
        trust("h", way, KIND, BLOB)
    return caught.value


def accept(hint: str) -> None:
    subprocess.run(["sh", "-ec", hint.split("accept it: ")[1]], check=True)


@pytest.mark.parametrize("before", ["", "other ssh-rsa AAAA\n", "other ssh-rsa AAAA"])
def test_the_hint_adds_a_line_of_its_own(tmp_path: Path, before: str) -> None:
    file = tmp_path / "known hosts"
    file.write_text(before)

    accept(refusal(route(file)).hint)

    assert file.read_text() == f"{before}{chr(10) if before[-1:] == 'A' else ''}hv {KIND} {KEY}\n"
    trust("h", route(file), KIND, BLOB)


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

    assert _read_route(Target("h", "hv"), text).known_hosts[:2] == said


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

    trust("h", route(file), KIND, BLOB)


def test_a_key_that_is_revoked_without_a_port_does_not_pass_at_another(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"@revoked hv {KIND} {KEY}\n")

    assert "is not known" in str(refusal(route(file, port=2222)))


def test_an_authority_that_vouches_for_the_host_is_told_of(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"@cert-authority *.example.org,hv {KIND} {KEY}\n")

    assert f"{file} has a @cert-authority for it, which rscvm does not take" in str(refusal(route(file)))
    file.write_text(f"@cert-authority *.example.org {KIND} {KEY}\n")
    assert "@cert-authority" not in str(refusal(route(file)))


def test_a_line_without_a_port_passes_for_every_port_unless_there_is_one_with(tmp_path: Path) -> None:
    """As OpenSSH has it (sshconnect.c, check_host_key: `checking without port identifier`)."""
    file = tmp_path / "known_hosts"
    file.write_text(f"hv {KIND} {KEY}\n")
    other = base64.b64encode(BLOB[:-1] + b"x").decode()

    trust("h", route(file, port=2222), KIND, BLOB)
    file.write_text(f"hv {KIND} {KEY}\n[hv]:2222 {KIND} {other}\n")

    assert "has CHANGED" in str(refusal(route(file, port=2222)))


def test_what_a_configuration_has_for_people_is_not_done_for_us() -> None:
    config = ["-o", "RemoteCommand=tmux", "-o", "PermitLocalCommand=yes"]
    options = ssh_options(Target("h", "hv"))

    said = subprocess.run(
        ["ssh", "-G", *options, *config, "hv"],
        capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL,
    ).stdout.splitlines()  # fmt: skip

    assert "permitlocalcommand no" in said
    assert "remotecommand tmux" not in said


def test_a_connection_comes_from_the_address_that_the_configuration_binds_to() -> None:
    assert _read_route(Target("h", "hv"), "hostname hv\nbindaddress 10.0.0.1\n").bind == "10.0.0.1"
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
