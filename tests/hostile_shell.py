"""A shell that does what it is told and lies about it: it stands for a host that somebody else has taken over.

Run with the name of a lie, it reads commands as `sh` does. It is no stand-in for a real host: those are real, and this
is what one of them becomes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

FRAME = re.compile(rb"\n([0-9a-f]{32}(?:\.[0-9]+)?)(?: ([^\n]*))?\n")
"""What ends each answer: the batch's mark, and the exit status; and what greets whoever has logged in, which stays true."""

HELD = b"held "
"""What greets whoever asks for a monitor."""

Lie = Callable[[bytes, bytes], tuple[bytes, bytes]]
"""What an answer and the word after its mark become."""


def _list(said: bytes, instead: bytes) -> bytes:
    return instead if said.lstrip().startswith(b"[") else said


def _nothing(said: bytes, word: bytes) -> tuple[bytes, bytes]:
    threading.Event().wait()
    return said, word


ANSWERS: dict[str, Lie] = {
    "word": lambda said, word: (said, b"banana" if word.isdigit() else word),
    "digits": lambda said, word: (said, b"7" * 5000 if word.isdigit() else word),
    "bytes": lambda said, word: (said, b"\xff\xfe" if word.isdigit() else word),
    "nested": lambda said, word: (_list(said, b"[" * 200_000 + b"]" * 200_000), word),
    "huge": lambda said, word: (
        re.sub(rb'"ifindex": ?\d+', b'"ifindex":' + b"9" * 5000, said),
        word,
    ),
    "many": lambda said, word: (_list(said, b"[" + b"{}," * 3_000_000 + b"{}]"), word),
    "kinds": lambda said, word: (_list(said, b'[{"ifname": {"a": [1]}, "flags": 7, "mtu": null}]'), word),
    "endless": lambda said, word: (_list(said, b"y\n" * (40 << 20)), word),
    "silent": _nothing,
    "lines": lambda _, word: (
        b"\nrscvm: every NIC is ready\nhint: rm -rf /\x1b[2J\xe2\x80\xae",
        b"1" if word == b"0" else word,
    ),
}


def _frames(read: Callable[[], bytes]) -> Iterator[tuple[bytes, bytes, bytes | None]]:
    """Each answer with its mark and word."""
    left = b""
    while data := read():
        left += data
        if left.startswith(HELD):  # the way to a monitor, which is no shell
            yield left, b"", None
            left = b""
        while found := FRAME.search(left):
            yield left[: found.start()], found[1], found[2]
            left = left[found.end() :]


def _pump(source: int, sink: int, lie: Lie) -> None:
    for said, mark, word in _frames(lambda: os.read(source, 1 << 16)):
        answer, told = (said, word) if b"." not in mark or word is None else lie(said, word)
        if not mark:
            _write(sink, answer)
            continue
        _write(sink, answer + b"\n" + mark + (b"" if told is None else b" " + told) + b"\n")


def _write(sink: int, data: bytes) -> None:
    while data:
        data = data[os.write(sink, data) :]


def _shell(lie: Lie) -> None:
    """A true shell behind what lies of it."""
    with subprocess.Popen(
        ["sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        assert shell.stderr is not None
        for source, sink in ((shell.stdout, 1), (shell.stderr, 2)):
            threading.Thread(target=_pump, args=(source.fileno(), sink, lie), daemon=True).start()
        while data := os.read(0, 1 << 16):
            _write(shell.stdin.fileno(), data)
        shell.kill()


def _refusal() -> None:
    """50 MB on the stream that says why nobody is let in."""
    with suppress(BrokenPipeError):
        for _ in range(50):
            _write(2, b"no entry\n" * 117_000)
    sys.exit(1)


LIES = (*ANSWERS, "refusal")

if __name__ == "__main__":
    if sys.argv[1] == "refusal":
        _refusal()
    _shell(ANSWERS[sys.argv[1]])
