"""Whatever stands in place of an SSH server, the host is refused in one line of ours."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress

import pytest

from provision.edges.ssh.greeting import greeted
from provision.edges.ssh.route import Route, SshError
from provision.edges.ssh.transport import Line
from provision.runtime.places import Target


def packet(payload: bytes) -> bytes:
    padding = 4 + -(len(payload) + 9) % 8
    return struct.pack(">IB", len(payload) + 1 + padding, padding) + payload + b"\0" * padding


ALGORITHMS = b"".join(struct.pack(">I", 1) + b"\xff" for _ in range(10))
SAID = {
    "nothing": b"",
    "no text": b"\xff" * 300,
    "torn": b"SSH-2.0-x\r\n\0\0",
    "huge": b"SSH-2.0-x\r\n" + struct.pack(">I", 0x7FFFFFF4) + b"\0" * 300_000,
    "algorithms that are no text": b"SSH-2.0-x\r\n" + packet(b"\x14" + b"c" * 16 + ALGORITHMS + b"\0" * 5),
    "no algorithms": b"SSH-2.0-x\r\n" + packet(b"\x14" + b"c" * 16 + b"\0" * 45),
    "escapes": b"SSH-9.9-\x1b[2J\r\n",
}


@pytest.mark.parametrize("kind", SAID)
def test_a_server_that_is_none_is_refused_in_words_of_ours(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError), server.accept()[0] as there:
                there.sendall(SAID[kind])
                there.shutdown(socket.SHUT_WR)
                while there.recv(1 << 16):
                    pass

        serving = threading.Thread(target=serve)
        serving.start()
        port = server.getsockname()[1]
        route = Route(
            "127.0.0.1", port, "root", "hv", "", (), only=False, known_hosts=(), own=True, bind="", proxy=""
        )
        line = Line("h", route)
        try:
            with pytest.raises(SshError) as caught:
                greeted(Target("h", "hv"), route, line)
        finally:
            line.close()
            serving.join()

    words = str(caught.value)
    ours = ("did not answer as an SSH server: ", "and we have nothing in common: ")
    assert words.startswith(tuple(f"host h: 127.0.0.1 port {port} {end}" for end in ours))
    assert words.isprintable()
