"""PowerShell's remoting messages (MS-PSRP) as pypsrp reads them, those alone that we need, and within bounds.

pypsrp by itself shows the user a guest's warnings, expands the entities of its XML, and takes as much as it is given.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from lxml.etree import iterwalk
from pypsrp.messages import Message, MessageType
from pypsrp.powershell import Fragmenter

from provision.runtime.untrusted import read_xml

if TYPE_CHECKING:
    from collections.abc import Callable

    from pypsrp.serializer import Serializer

_HEADER = struct.Struct(">QQBI")
"""A fragment's: the number of its message, its own within that, what it is of it, and its length (MS-PSRP 2.2.4)."""
_FIRST, _LAST = 1, 2
_KIND = struct.Struct("<4xI")
"""Of a message: whom it is for, and what it is (MS-PSRP 2.2.1)."""
_TEXT_AT = 40
_BOM = b"\xef\xbb\xbf"
_NEEDED = frozenset(
    (
        MessageType.SESSION_CAPABILITY,
        MessageType.RUNSPACEPOOL_STATE,
        MessageType.PIPELINE_OUTPUT,
        MessageType.ERROR_RECORD,
        MessageType.PIPELINE_STATE,
    )
)
"""All others are left out unread: nobody here answers a prompt or watches a progress."""

MOST = 4 << 20
"""Bytes of all that one session says."""
_MOST_FRAGMENTS = 10_000
_MOST_TAGS = 5_000
_DEEPEST = 32
"""Elements within one another: pypsrp writes out each with all that is in it."""


class TooMuchError(ValueError):
    """The guest says more than we take."""


class Messages(Fragmenter):
    """Puts messages together of what a session says, in the place of pypsrp's."""

    def __init__(self, most: int, serializer: Serializer, look: Callable[[], None]) -> None:
        """`most`: bytes of a fragment of ours; `look` raises when it is time to end."""
        super().__init__(most, serializer)
        self._look = look
        self._parts: dict[int, list[bytes]] = {}
        self._octets = self._fragments = 0

    def defragment(self, data: bytes) -> list[Message]:
        """Those that are complete now.

        :raise ValueError: when they are none, or too many.
        """
        self._octets += len(data)
        if self._octets > MOST:
            raise TooMuchError(f"it says more than {MOST} bytes")
        whole = []
        at = 0
        while at < len(data):
            self._fragments += 1
            if self._fragments > _MOST_FRAGMENTS:
                raise TooMuchError(f"it says what it says in more than {_MOST_FRAGMENTS} pieces")
            if len(data) - at < _HEADER.size:
                raise ValueError("it ends in the middle of a fragment's header")
            number, part, place, length = _HEADER.unpack_from(data, at)
            at += _HEADER.size + length
            if at > len(data):
                raise ValueError("it ends in the middle of a fragment")
            if put := self._put(number, part, place, data[at - length : at]):
                whole.append(put)
        return [message for each in whole if (message := self._read(each))]

    def _put(self, number: int, part: int, place: int, data: bytes) -> bytes:
        """Take one fragment; the message that is complete by it."""
        parts = self._parts.setdefault(number, [])
        if part != len(parts) or (part == 0) != bool(place & _FIRST):
            raise ValueError(f"fragment {part} comes where {len(parts)} should")
        parts.append(data)
        if not place & _LAST:
            return b""
        del self._parts[number]
        return b"".join(parts)

    def _read(self, data: bytes) -> Message | None:
        if len(data) < _TEXT_AT:
            raise ValueError("a message has no header")
        (kind,) = _KIND.unpack_from(data)
        if kind not in _NEEDED:
            return None
        self._look()  # pypsrp may take half a second over the worst
        _examine(data[_TEXT_AT:].removeprefix(_BOM).decode(), plain=kind == MessageType.PIPELINE_OUTPUT)
        return Message.unpack(data, self.serializer)


def _examine(text: str, *, plain: bool) -> None:
    """See that pypsrp may read an object; of a script's output a `plain` one, such as a text.

    :raise ValueError: when it may not.
    """
    if text.count("<") > _MOST_TAGS:
        raise TooMuchError("an object has too many elements")
    root = read_xml(text)
    if plain and len(root):
        raise ValueError("a script of ours puts out texts, and this is none")
    depth = 0
    for event, _ in iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > _DEEPEST:
            raise ValueError("an object nests too deeply")
