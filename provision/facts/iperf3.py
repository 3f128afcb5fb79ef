"""Parses `iperf3 --json` of a client that sent: what arrived, how fast, and how often it was sent again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from provision.facts.guest_answer import number_of, text_of
from provision.runtime.errors import reading
from provision.runtime.untrusted import read_json

_MOST_VALUES = 20_000
"""Values of a document; one of 60 seconds that tells every second has 2,000."""
_LONGEST = 86_400.0


@dataclass(frozen=True, slots=True)
class ClientRun:
    """One test of a client that sent; an interval that was omitted is not in it."""

    octets: int = 0
    """That arrived, without headers."""
    seconds: float = 0.0
    """For which it was sent, by the sender's own clock: the receiver is what is measured."""
    retransmits: int | None = None
    """None where the sender's system does not tell."""
    sender_busy: float = 0.0
    """The client's own processor time by the time that passed; 1.0 is one processor."""
    congestion: str = ""
    """How the sender's TCP paces itself (`bbr`, `cubic`); empty where it does not tell."""
    error: str = ""
    """Why there was no test, in iperf3's words; its exit status may be 0 all the same."""

    @property
    def gbps(self) -> float:
        """10^9 bits a second that arrived; 0 where nothing did."""
        return self.octets * 8 / self.seconds / 1e9 if self.seconds else 0.0


def parse_client(text: str) -> ClientRun:
    """What a client tells.

    :raise UnreadableError: when the text is no such document, or has numbers that there cannot be.
    """
    with reading("iperf3's JSON", text):
        said = read_json(text, _MOST_VALUES)
        if error := text_of(said.get("error"), 300):
            return ClientRun(error=error)
        end = said["end"]
        received = end["sum_received"]
        octets = number_of(received["bytes"])
        if octets is None:
            raise ValueError("no number of bytes")
        return ClientRun(
            octets,
            _number(end["sum_sent"]["seconds"], _LONGEST),
            number_of(end["sum_sent"].get("retransmits")),
            _number(end["cpu_utilization_percent"]["host_total"], _LONGEST) / 100,
            text_of(end.get("sender_tcp_congestion"), 32),
        )


def _number(said: Any, most: float) -> float:
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 <= said <= most:
        raise ValueError("no number that there can be")
    return float(said)
