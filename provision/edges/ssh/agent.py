"""The agent that holds private keys: it is asked for their public halves, and to sign.

paramiko's own waits for it for ever, takes whatever it answers, goes by SSH_AUTH_SOCK alone, and has no certificates.
"""

from __future__ import annotations

import socket
import struct
import threading
import time

from paramiko import Message, PKey

from provision.edges.ssh.route import PATIENCE

_IDENTITIES, _SIGN = (11, 12), (13, 14)
"""Requests, and the answers to them (draft-miller-ssh-agent)."""
_FLAGS = {"rsa-sha2-256": 2, "rsa-sha2-512": 4}
_LONGEST = 1 << 18
"""Bytes of an answer that OpenSSH takes, too."""
_MOST_KEYS = 2048
"""Keys that OpenSSH takes, too."""


class Agent:
    """One connection to an agent; what goes wrong with it is kept for a message, and nothing more is asked."""

    def __init__(self, place: str, patience: float = PATIENCE) -> None:
        self.trouble = ""
        self._place = place
        self._patience = patience
        self._line: socket.socket | None = None
        self._one = threading.Lock()
        if place:
            self._line = socket.socket(socket.AF_UNIX)
            self._line.settimeout(self._patience)
            try:
                self._line.connect(place)
            except OSError as error:
                self._gone(error.strerror or str(error))

    def close(self) -> None:
        """Ask nothing more."""
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def held(self) -> list[HeldKey]:
        """What it holds; nothing where there is no agent, or it does not answer."""
        answer = self._ask(_IDENTITIES, b"")
        if answer is None:
            return []
        said = Message(answer)
        count = said.get_int()
        if count > _MOST_KEYS:
            self._gone(f"it holds {count} keys")
            return []
        held = [(said.get_binary(), said.get_binary()) for _ in range(count)]
        return [
            HeldKey(self, blob, comment.decode("utf-8", "replace")) for blob, comment in held if len(blob) > 4
        ]

    def sign(self, blob: bytes, data: bytes, algorithm: str) -> bytes:
        """A signature, or nothing."""
        request = Message()
        request.add_string(blob)
        request.add_string(data)
        request.add_int(_FLAGS.get(algorithm.removesuffix("-cert-v01@openssh.com"), 0))
        answer = self._ask(_SIGN, request.asbytes())
        return Message(answer).get_binary() if answer is not None else b""

    def _ask(self, kinds: tuple[int, int], body: bytes) -> bytes | None:
        """The body of an answer of the kind that a request has; None where none comes, or a refusal."""
        deadline = time.monotonic() + self._patience
        with self._one:
            line = self._line
            if line is None:
                return None
            try:
                line.settimeout(self._patience)
                line.sendall(struct.pack(">IB", len(body) + 1, kinds[0]) + body)
                (length,) = struct.unpack(">I", _received(line, 4, deadline))
                answer = _received(line, length, deadline) if 0 < length <= _LONGEST else b""
            except TimeoutError:
                self._gone(f"it does not answer within {self._patience:g} s")
            except OSError as error:
                self._gone(error.strerror or str(error))
            else:
                if answer:
                    return answer[1:] if answer[0] == kinds[1] else None
                self._gone(f"it answers with {length} bytes")
        return None

    def _gone(self, why: str) -> None:
        self.trouble = f"the agent at {self._place} is of no use: {why}"
        self.close()


def _received(line: socket.socket, count: int, deadline: float) -> bytes:
    data = b""
    while len(data) < count:
        line.settimeout(max(0.001, deadline - time.monotonic()))
        more = line.recv(count - len(data))
        if not more:
            raise OSError("it hangs up")
        data += more
    return data


class HeldKey(PKey):
    """A key that an agent holds, as itself or by a certificate for it."""

    public_blob = None  # paramiko's keys have one for a certificate; here that is what is shown

    def __init__(self, agent: Agent, blob: bytes, comment: str, certificate: bytes = b"") -> None:
        self._agent = agent
        self._held = blob
        self._shown = certificate or blob
        self.comment = comment

    def certified(self, certificate: bytes) -> HeldKey:
        """The same key, shown by a certificate for it."""
        return HeldKey(self._agent, self._held, self.comment, certificate)

    def asbytes(self) -> bytes:
        """What is shown of it."""
        return self._shown

    def get_name(self) -> str:
        """Its type."""
        return Message(self._shown).get_binary().decode("ascii", "replace")

    def sign_ssh_data(self, data: bytes, algorithm: str | None = None) -> Message:
        """A signature. One that the agent does not give is left empty, so that the host refuses it and takes the next.

        An exception would end the connection: paramiko asks for it in its own thread.
        """
        return Message(self._agent.sign(self._held, data, algorithm or ""))
