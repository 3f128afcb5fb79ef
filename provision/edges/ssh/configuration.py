"""What `ssh -G` prints, asked within bounds and read."""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import selectors
import shlex
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_MOST_JUMPS = 8
_MOST = 1 << 20
"""Bytes that ssh may print, or complain; its own configuration comes to 5,000."""
_LAST = 1
"""Seconds that it has for its end, once it has closed its outputs."""


def ask(argv: Sequence[str], seconds: float) -> tuple[int, str, str]:
    """The exit status of a program that reads nothing, its output and its complaint.

    :raise FileNotFoundError: when it is not there.
    :raise TimeoutError: when it does not end in time; what it has started (`Match exec`) is ended with it.
    :raise ValueError: when it says too much.
    """
    pipe = subprocess.PIPE
    with subprocess.Popen(
        argv, bufsize=0, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True
    ) as program:
        try:
            out, err = _heard([stream for stream in (program.stdout, program.stderr) if stream], seconds)
            status = program.wait(_LAST)
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise TimeoutError("it closed its outputs and did not end") from error
            raise
    return status, out.decode("utf-8", "surrogateescape"), err.decode("utf-8", "replace")


def _heard(streams: Sequence[IO[bytes]], seconds: float) -> list[bytearray]:
    """All that comes of each stream until it ends."""
    heard = [bytearray() for _ in streams]
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for stream, taken in zip(streams, heard, strict=True):
            selector.register(stream, selectors.EVENT_READ, taken)
        while selector.get_map():
            if not (ready := selector.select(max(0.0, deadline - time.monotonic()))):
                raise TimeoutError(f"it did not end within {seconds:g} s")
            for key, _ in ready:
                data = os.read(key.fd, 1 << 16)
                taken = key.data
                taken += data
                if not data:
                    selector.unregister(key.fileobj)
                if len(taken) > _MOST:
                    raise ValueError(f"it says more than {_MOST} bytes")
    return heard


def read(text: str) -> dict[str, list[str]]:
    """The values of each keyword, which is in small letters, in the order in which ssh prints them."""
    said: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        said.setdefault(key.lower(), []).append(value)
    return said


def files(lines: Iterable[str]) -> tuple[str, ...]:
    """Paths that ssh prints with blanks between and without quotes, so that one with a blank is only found by looking."""
    return tuple(
        path
        for words in lines
        if words not in ("", "none")
        for path in ([words] if Path(words).exists() else re.split(r" +(?=[/~])", words))
    )


def tokens(said: Mapping[str, Sequence[str]], name: str) -> dict[str, str]:
    """What stands for each token in a value (ssh_config(5), TOKENS); `name` is the host as it was asked for."""

    def one(key: str) -> str:
        return "" if (value := said.get(key, [""])[0]) == "none" else value

    host, port, user, here = one("hostname"), one("port") or "22", one("user"), socket.gethostname()
    last = one("proxyjump").rpartition(",")[2].rpartition("@")[2]
    jump = re.sub(r":\d+$", "", last).strip("[]")
    where = f"{here}{host}{port}{user}{jump}"
    return {
        "%%": "%", "%h": host, "%p": port, "%r": user, "%n": name, "%k": one("hostkeyalias") or name,
        "%u": _our_name(), "%i": str(os.getuid()), "%d": str(Path("~").expanduser()), "%j": jump,
        "%l": here, "%L": here.partition(".")[0], "%C": hashlib.sha1(where.encode(), usedforsecurity=False).hexdigest(),
    }  # fmt: skip


def _our_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name
        return str(os.getuid())


def path(words: str, tokens: Mapping[str, str]) -> str:
    """A path with its tokens, its `${VARIABLE}` and its `~` replaced."""
    named = re.sub(r"\$\{(\w+)\}", lambda found: os.environ.get(found[1], ""), replaced(words, tokens))
    with suppress(RuntimeError):  # a user that is not there
        return str(Path(named).expanduser())
    return named


def replaced(text: str, tokens: Mapping[str, str]) -> str:
    """The text with its tokens replaced, each once."""
    return re.sub(r"%.", lambda found: tokens.get(found[0], found[0]), text)


def agent(said: Sequence[str]) -> str:
    """The agent's socket by IdentityAgent, in which ssh has replaced the tokens; empty for none."""
    words = said[0] if said else "SSH_AUTH_SOCK"
    if words.lower() == "none":
        return ""
    if words == "SSH_AUTH_SOCK" or re.fullmatch(r"\$\w+", words):
        return os.environ.get(words.removeprefix("$"), "")
    return words


def jump(jumps: str, options: Sequence[str], host: str, port: int | str) -> str:
    """Jumps as the command that leads to a host; each is an `ssh` of its own, as `-J` would not hand our options on."""
    *before, last = jumps.split(",")
    words = [word for value in options for word in ("-o", value)]
    if not last:
        return ""
    if before:
        inner = jump(",".join(before), options, "%h", "%p")
        # What is itself a ProxyCommand has its tokens replaced whole, those of a command within it, too.
        words += ["-o", f"ProxyCommand={inner.replace('%', '%%') if host == '%h' else inner}"]
    return shlex.join(["ssh", *words, "-W", f"[{host}]:{port}", destination(last)])


def destination(jump: str) -> str:
    """A jump as `ssh` takes it for a host."""
    return jump if "://" in jump else f"ssh://{jump}"


def all_jumps(jumps: str, ask: Callable[[str], Mapping[str, Sequence[str]]]) -> str:
    """Every jump on the way: the first host may be behind another one, by its own configuration.

    :param ask: what `ssh -G` says of a host.
    :raise ValueError: when there is no end of them.
    """
    for _ in range(_MOST_JUMPS):
        first = jumps.partition(",")[0]
        before = (ask(first).get("proxyjump") or ["none"])[0] if first else "none"
        if before == "none":
            return jumps
        jumps = f"{before},{jumps}"
    raise ValueError(f"more than {_MOST_JUMPS} jumps lead there")
