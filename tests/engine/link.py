"""Talks to the engine guest over the NIC under test, in frames that QEMU's engine does not look at.

Each request has a number, and the guest does a numbered one once, so it is sent again until it is answered.
"""

from __future__ import annotations

import itertools
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

from tests.engine.ports import OWN_MAC, TEST_ETHERTYPE, Ports
from tests.real.hypervisor import wait_for

MAGIC = 0x52534345

# Feature bits, virtio 1.2, 5.1.3 and 6.
CSUM, GUEST_CSUM, CTRL_GUEST_OFFLOADS, MAC, GUEST_TSO4, GUEST_TSO6 = (1 << bit for bit in (0, 1, 2, 5, 7, 8))
CTRL_VQ, VERSION_1, RSC_EXT = (1 << bit for bit in (17, 32, 61))
NETKVM = VERSION_1 | MAC | CTRL_VQ | CTRL_GUEST_OFFLOADS | GUEST_CSUM | GUEST_TSO4 | GUEST_TSO6 | RSC_EXT
"""What the guest takes at its start; init.c."""
OFFLOADS = GUEST_CSUM | GUEST_TSO4 | GUEST_TSO6 | RSC_EXT
"""What of it the driver may set again while it runs, over the control queue."""


class Verb(IntEnum):
    """What the guest can be asked for, as init.c has it; the argument stands beside it."""

    STATE = 1
    START = 2  # feature bits: the driver starts anew, and takes these of what is offered
    OFFLOADS = 3  # feature bits: CTRL_GUEST_OFFLOADS_SET
    CLEAR = 4
    READ = 5  # the number of the first record
    MARK = 6  # what the record is to say; not answered
    REBOOT = 7  # the first half of the boot that is to end


REQUEST = struct.Struct("<IIIIQ")
ANSWER = struct.Struct("<IIII16sQQQIII64s4x")
ANSWER_AT = 16
RECORD = struct.Struct("<QIIII6H8B4x")
SUMS = ("none", "right", "wrong", "partial")


@dataclass(frozen=True, slots=True)
class Record:
    """A frame as the guest received it; its fields are frame.h's."""

    when: int
    length: int
    sequence: int
    acknowledged: int
    payload: int
    hdr_len: int
    gso_size: int
    csum_start: int
    csum_offset: int
    ethertype: int
    source_port: int
    flags: int
    gso_type: int
    protocol: int
    tcp_flags: int
    ip_sum: str
    sum: str
    intact: bool
    malformed: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What the guest said."""

    failed: int
    boot: bytes
    """Another after each boot."""
    offered: int
    negotiated: int
    offloads: int
    received: int
    lost: int
    words: str
    records: tuple[Record, ...]


def record(data: bytes) -> Record:
    *numbers, ip_sum, total, intact, malformed = RECORD.unpack(data)
    return Record(*(*numbers, SUMS[ip_sum], SUMS[total], bool(intact), bool(malformed)))


def answer(frame: bytes) -> tuple[int, int, Answer]:
    """Magic and number of an answer, and what it says."""
    magic, number, _, failed, *state, count, words = ANSWER.unpack_from(frame, ANSWER_AT)
    at = ANSWER_AT + ANSWER.size
    records = tuple(record(frame[at + n * RECORD.size :][: RECORD.size]) for n in range(count))
    return magic, number, Answer(*(failed, *state, words.rstrip(b"\0").decode(), records))


@dataclass(slots=True)
class Link:
    """One NIC of the engine guest, by its MAC, from a port of its bridge."""

    ports: Ports
    mac: bytes
    numbers: itertools.count[int] = field(
        default_factory=lambda: itertools.count(time.monotonic_ns() & 0xFFFFFF | 1 << 24)
    )

    def ask(self, verb: Verb, argument: int = 0, *, seconds: float = 60) -> Answer:
        """What it answers; a request that failed is an answer, too.

        :raise TimeoutError: when it does not.
        """
        number = next(self.numbers)

        def answered() -> Answer | None:
            self._say(verb, number, argument)
            return self._heard(number)

        found = wait_for(answered, time.monotonic() + seconds, f"the engine guest at {self.mac.hex(':')}")
        assert found is not None
        return found

    def done(self, verb: Verb, argument: int = 0) -> Answer:
        """The same of a request that has to succeed."""
        found = self.ask(verb, argument)
        assert not found.failed, found.words
        return found

    def mark(self, argument: int) -> None:
        """Let the guest record the moment."""
        self._say(Verb.MARK, 1, argument)

    def _say(self, verb: Verb, number: int, argument: int) -> None:
        request = REQUEST.pack(MAGIC, number, verb, 0, argument)
        self.ports.wire.send(
            self.mac + OWN_MAC + struct.pack("!H", TEST_ETHERTYPE) + request.ljust(46, b"\0")
        )

    def _heard(self, number: int) -> Answer | None:
        """The answer with this number, if one comes within the socket's patience."""
        for _ in range(64):
            try:
                frame = self.ports.asking.recv(2048)
            except TimeoutError:
                return None
            if frame[6:12] == self.mac and len(frame) >= ANSWER_AT + ANSWER.size:
                magic, heard, found = answer(frame)
                if (magic, heard) == (MAGIC, number):
                    return found
        return None

    def records(self) -> list[Record]:
        """All that it has received since it was told to forget."""
        found: list[Record] = []
        while True:
            said = self.done(Verb.READ, len(found))
            assert said.lost == 0, "more came than the guest keeps"
            found += said.records
            if len(found) >= said.received:
                return found

    def until(
        self, enough: Callable[[list[Record]], bool], what: str, *, seconds: float = 30
    ) -> list[Record]:
        """The records once there are enough of them.

        :raise TimeoutError: when there never are; the last records are in it.
        """
        last: list[Record] = []

        def there() -> bool:
            last[:] = self.records()
            return enough(last)

        try:
            wait_for(there, time.monotonic() + seconds, what)
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {last}") from error
        return last
