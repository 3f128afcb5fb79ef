"""A guest's WinRM service, logged in: what pypsrp has its messages carried by, within our bounds.

pypsrp's own carrier (requests) follows redirects and the environment's proxies, takes answers of any size, and waits
for each piece of them anew.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pypsrp.encryption import WinRMEncryption
from pypsrp.exceptions import WinRMTransportError

from provision.edges.guest.unspoken import cause, unspoken
from provision.edges.guest.winrm_exchange import ANSWER, ELSEWHERE, MISSING, NO, PATH, UNKNOWN, Exchange
from provision.edges.guest.winrm_login import log_in, refused
from provision.edges.guest.winrm_stream import PORTS, NotHeardError, late
from provision.runtime.deadline import pause
from provision.runtime.errors import HostError
from provision.runtime.interrupt import look
from provision.runtime.untrusted import read_xml

if TYPE_CHECKING:
    from provision.edges.guest.winrm_exchange import Answer
    from provision.runtime.deadline import Deadline
    from provision.runtime.guest_channel import GuestWay

_SEALED = (
    'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"'
)
_PLAIN = "application/soap+xml;charset=UTF-8"
_BOUNDARY = re.compile(r'boundary="([^"\r\n]{1,70})"')


class WinrmLine:
    """Takes messages to a guest's WinRM service, and its answers back; it connects and logs in when it has to.

    In the place of pypsrp's `_TransportHTTP`, of which pypsrp uses `endpoint`, `send` and `close` alone.
    """

    def __init__(self, way: GuestWay, password: str, whole: Deadline) -> None:
        """`whole`: by when all has to have ended."""
        host = f"[{way.address}]" if ":" in way.address else way.address
        self.endpoint = f"{'https' if way.tls else 'http'}://{host}:{PORTS[way.tls]}{PATH}"
        self.handed = False
        """Whether the guest may have seen a message."""
        self._way = way
        self._password = password
        self._whole = whole
        self._exchange: Exchange | None = None
        self._seal: WinRMEncryption | None = None

    def send(self, message: bytes, *, retries_on_read_timeout: int = 0, timeout: float | None = None) -> str:
        """The answer to a message; one that may be asked again is, when nothing is heard: the guest keeps its answer.

        `timeout` is how long the answer may take.

        :raise WinRMTransportError: when the service says no; with its words where they can be read.
        :raise HostError: when nothing comes of it.
        """
        tries = retries_on_read_timeout
        while True:
            try:
                return self._sent(message, timeout or ANSWER)
            except NotHeardError:
                self.close()
                if not tries:
                    raise
            tries -= 1
            pause(min(1.0, self._whole.remaining))
            self.look()

    def look(self) -> None:
        """Look whether it is time to end.

        :raise DeadlineError: when it is.
        """
        look()
        if self._whole.expired:
            raise late(self._way, self._whole)

    def close(self) -> None:
        """Hang up; the next message connects anew."""
        if self._exchange is not None:
            self._exchange.close()
        self._exchange = self._seal = None

    def begin_anew(self, whole: Deadline) -> None:
        """There is another time by when all has to have ended; an answer that is still to come is not waited for."""
        self._whole = whole
        if self._exchange is not None and self._exchange.asking:
            self.close()
        elif self._exchange is not None:
            self._exchange.end_by(whole)

    def _sent(self, message: bytes, seconds: float) -> str:
        exchange = self._logged_in()
        self.handed = True
        kind = _PLAIN
        if self._seal is not None:
            _, message = self._seal.wrap_message(message)
            kind = _SEALED
        answer = exchange.ask(message, {"Content-Type": kind}, seconds)
        if answer.status in (UNKNOWN, MISSING) or answer.status in ELSEWHERE:
            raise refused(self._way, self._password, answer)
        text = self._read(answer)
        if answer.status >= NO:
            raise WinRMTransportError("http", answer.status, text)
        return text

    def _logged_in(self) -> Exchange:
        if self._exchange is not None and self._exchange.is_open:
            return self._exchange
        self.close()
        exchange = Exchange(self._way, self._password, self._whole)
        try:
            context = log_in(self._way, self._password, exchange)
        except BaseException:
            exchange.close()
            raise
        self._seal = None if self._way.tls else WinRMEncryption(context, WinRMEncryption.SPNEGO)
        self._exchange = exchange
        return exchange

    def _read(self, answer: Answer) -> str:
        """An answer's document, seen to be one that may be parsed; as text, so that nobody goes by an encoding that it names.

        :raise HostError: when it is not; a no is told all the same, without its words.
        """
        try:
            text = self._opened(answer).decode("utf-8-sig")
            read_xml(text)
        except Exception as error:  # noqa: BLE001 - whatever pypsrp and pyspnego stumble over in what was said
            if answer.status >= NO:
                return ""
            raise HostError(
                f"{self._way}: its answer cannot be read: {unspoken(str(error), self._password)}"
            ) from cause(error, self._password)
        return text

    def _opened(self, answer: Answer) -> bytes:
        """What is in an answer. Where it has to be encrypted, anybody on the way may have said one that is not.

        :raise ValueError: then.
        """
        if self._seal is None:
            return answer.body
        found = _BOUNDARY.search(answer.kind)
        if not answer.kind.startswith("multipart/encrypted") or not found:
            raise ValueError("it is not encrypted")
        return self._seal.unwrap_message(answer.body, found[1])
