"""An agent that does not behave costs its time once, is told of, and leaves the keys of files."""

from __future__ import annotations

import base64
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from provision.edges.ssh.agent import Agent
from provision.edges.ssh.identities import Offer, our_keys
from provision.edges.ssh.route import Allowed, Route

NO_ROUTE = Route("hv", 22, "root", "hv", "", (), only=False, known_hosts=(), own=True, bind="", proxy="")


def string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def holding(*blobs: bytes) -> bytes:
    """An agent's list of keys."""
    listed = b"".join(string(blob) + string(b"a comment") for blob in blobs)
    return string(b"\x0c" + struct.pack(">I", len(blobs)) + listed)


@contextmanager
def agent(place: Path, *answers: bytes) -> Iterator[list[bytes]]:
    """Somebody who answers what is asked of it with these in turn, and hangs up; an empty one is silence."""
    asked: list[bytes] = []
    over = threading.Event()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place))
        server.listen()

        def serve() -> None:
            with suppress(OSError), server.accept()[0] as line:
                if not answers:
                    line.recv(1 << 16)
                for answer in answers:
                    asked.append(line.recv(1 << 16))
                    line.sendall(answer)
                    if not answer:
                        over.wait(10)

        serving = threading.Thread(target=serve)
        serving.start()
        yield asked
        over.set()
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        serving.join()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`a` and `rsa`, and a certificate for `a` beside it."""
    at = tmp_path_factory.mktemp("keys")
    for name, kind in (("a", "ed25519"), ("ca", "ed25519"), ("rsa", "rsa")):
        bits = ["-b", "1024"] if kind == "rsa" else []
        subprocess.run(["ssh-keygen", "-q", "-t", kind, *bits, "-N", "", "-f", str(at / name)], check=True)
    subprocess.run(
        [
            "ssh-keygen",
            "-q",
            "-s",
            str(at / "ca"),
            "-I",
            "i",
            "-h",
            "-n",
            "h?.example,[x]",
            str(at / "a.pub"),
        ],
        check=True,
    )
    return at


def blob(file: Path) -> bytes:

    return base64.b64decode(file.read_text().split()[1])


MISBEHAVIOUR = {
    "silent": ([b""], "it does not answer within 0.2 s"),
    "gone": ([], "it hangs up"),
    "torn": ([b"\0\0"], "it hangs up"),
    "huge": ([struct.pack(">I", 1 << 30)], "it answers with 1073741824 bytes"),
    "many": ([string(b"\x0c" + struct.pack(">I", 1 << 30))], "it holds 1073741824 keys"),
}


@pytest.mark.parametrize("kind", MISBEHAVIOUR)
def test_an_agent_that_misbehaves_is_told_of_and_asked_no_more(tmp_path: Path, kind: str) -> None:
    answers, words = MISBEHAVIOUR[kind]
    with agent(tmp_path / "agent", *answers):
        asking = Agent(str(tmp_path / "agent"), 0.2)

        assert asking.held() == []
        assert f"the agent at {tmp_path / 'agent'} is of no use: {words}" in asking.trouble
        assert asking.sign(b"key", b"data", "ssh-ed25519") == b"", "at once"


def test_a_key_that_the_agent_does_not_sign_with_gives_an_empty_signature_and_the_next_one_may(
    tmp_path: Path, keys: Path
) -> None:
    refusal, signature = string(b"\x05"), string(b"\x0e" + string(b"signature"))
    with agent(tmp_path / "agent", holding(blob(keys / "a.pub")), refusal, signature) as asked:
        asking = Agent(str(tmp_path / "agent"), 5)
        (key,) = asking.held()

        assert key.sign_ssh_data(b"data", "ssh-ed25519").asbytes() == b""
        assert key.sign_ssh_data(b"data", "rsa-sha2-512-cert-v01@openssh.com").asbytes() == b"signature"
        asking.close()

    assert [request[-1] for request in asked[1:]] == [0, 4], "how an RSA key is to sign"
    assert asking.trouble == ""


def test_keys_of_files_are_offered_though_the_agent_misbehaves(tmp_path: Path, keys: Path) -> None:
    with agent(tmp_path / "agent"):
        offers = list(
            our_keys(replace(NO_ROUTE, agent=str(tmp_path / "agent"), identities=(str(keys / "rsa"),)))
        )

    assert [offer.words for offer in offers if isinstance(offer, Offer)] == [str(keys / "rsa")]
    assert [offer for offer in offers if isinstance(offer, str)] == [
        f"the agent at {tmp_path / 'agent'} is of no use: it hangs up"
    ]


OFFERED: dict[str, tuple[Allowed, Sequence[str]]] = {
    "all": (Allowed(), ["a-cert.pub", "a", "rsa"]),
    "no certificates": (Allowed(our_keys=frozenset({"ssh-ed25519", "rsa-sha2-256"})), ["a", "rsa"]),
    "certificates alone": (Allowed(our_keys=frozenset({"ssh-ed25519-cert-v01@openssh.com"})), ["a-cert.pub"]),
    "long ones": (Allowed(rsa_bits=2048), ["a-cert.pub", "a"]),
}


@pytest.mark.parametrize("kind", OFFERED)
def test_only_keys_that_the_configuration_allows_are_offered_and_the_rest_is_told(
    keys: Path, kind: str
) -> None:
    allowed, expected = OFFERED[kind]
    route = replace(NO_ROUTE, identities=(str(keys / "a"), str(keys / "rsa")), allowed=allowed)

    offers = list(our_keys(route))

    assert [Path(offer.words).name for offer in offers if isinstance(offer, Offer)] == expected
    assert len(offers) == 3
