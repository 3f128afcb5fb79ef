"""Requests to a guest's WinRM service and its answers, over one connection that is never made anew by itself."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException, IncompleteRead, NotConnected
from typing import TYPE_CHECKING, NamedTuple

from provision.edges.guest.unspoken import cause, unspoken
from provision.edges.guest.winrm_stream import MOST, PORTS, NotHeardError, PatientStream, said
from provision.runtime.errors import HostError
from provision.runtime.safe_text import short

if TYPE_CHECKING:
    from http.client import HTTPResponse

    from provision.runtime.deadline import Deadline
    from provision.runtime.guest_channel import GuestWay

PATH = "/wsman"
UNKNOWN = 401
MISSING = 404
ELSEWHERE = range(300, 400)
NO = 400
"""The first of the statuses by which a service says no."""
ANSWER = 60.0
"""Seconds for an answer of which its request does not say how long it may take."""


class Answer(NamedTuple):
    """What came of a request."""

    status: int
    kind: str
    """Its Content-Type."""
    offers: tuple[str, ...]
    """By what we may log in."""
    body: bytes


class Exchange:
    """A connection, as which a login counts."""

    def __init__(self, way: GuestWay, password: str, whole: Deadline) -> None:
        """Connect; the password is in no error.

        :raise HostError: when nobody listens there, or whoever does is not who was meant.
        """
        self.asking = False
        """Whether an answer is still to come."""
        self._way = way
        self._password = password
        self._stream = PatientStream(way, whole)
        self._http = HTTPConnection(way.address, PORTS[way.tls])
        self._http.auto_open = 0  # a connection is logged in, or none
        self._http.sock = self._stream  # all of a socket that it uses

    @property
    def certificate(self) -> bytes:
        """The other end's, as DER; empty without TLS."""
        return self._stream.certificate

    @property
    def is_open(self) -> bool:
        """Whether there may be another request."""
        return self._http.sock is not None

    def end_by(self, whole: Deadline) -> None:
        """There is another time by when all has to have ended."""
        self._stream.whole = whole

    def close(self) -> None:
        """Hang up."""
        self._http.close()
        self._stream.close()

    def ask(self, body: bytes, headers: dict[str, str], seconds: float = ANSWER) -> Answer:
        """What comes of a request, within so many seconds.

        :raise NotHeardError: when the guest hangs up, or says nothing in time.
        :raise HostError: when it says what is no HTTP, or too much.
        """
        self._stream.expect_within(seconds)
        self.asking = True
        try:
            self._http.request(
                "POST", PATH, body, {"User-Agent": "rscvm", "Accept-Encoding": "identity", **headers}
            )
            response = self._http.getresponse()
            data = _whole(response)
        except (OSError, IncompleteRead, NotConnected) as error:
            raise NotHeardError(f"{self._way} hung up in the middle: {short(said(error), 200)}") from error
        except HTTPException as error:
            words = unspoken(f"{type(error).__name__}: {error}", self._password, 200)
            raise HostError(f"{self._way} says what is no HTTP: {words}") from cause(error, self._password)
        self.asking = False
        offers = tuple(response.headers.get_all("WWW-Authenticate", ()))
        return Answer(response.status, response.headers.get("Content-Type", ""), offers, data)


def _whole(response: HTTPResponse) -> bytes:
    """What an answer has.

    :raise IncompleteRead: when it ends before its length.
    """
    data = response.read(MOST)  # else room is made for the length that it tells; the stream counts what comes
    if response.length:
        raise IncompleteRead(data, response.length)
    return data
