"""A program that runs on between commands, each of which is an exchange with it.

Its input is a FIFO there, and what it says are files beside it, in a directory that is ours alone. It ends with its input: when
we say so, or when nothing has been heard from us for some time.
"""

from __future__ import annotations

import re
import secrets
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from provision.runtime.safe_text import quoted

if TYPE_CHECKING:
    from provision.runtime.command import Argv

_PLACE = "/tmp"  # noqa: S108 - the directory below it has an unforeseeable name, and is made by mkdir, for us alone
_KEPT = 60
"""Seconds for which a program waits for more at least, and twice as many at most; longer than what we do between exchanges."""
_ENDED = 90
"""The exit status of an exchange with a program that has ended."""
_LONGEST = 3.0
"""Seconds of one exchange; more is waited for in the next."""

# No terminal and no connection of anybody's ends what is started here: setsid, and nothing of its streams is inherited.
# The keeper, in a session of its own which can be ended with its sleep, holds the input open as long as somebody is heard,
# and removes everything in the end: whoever kills the program (the host's own undo, where it holds the lock) spares it.
_KEEPER = r"""
while sleep "$2" && [ -e "$1/heard" ]; do rm -f -- "$1/heard"; done
exec </dev/null >/dev/null
sleep "$2"
rm -rf -- "$1"
"""
_RUN = rf"""
d=$1 kept=$2
shift 2
setsid sh -c {shlex.quote(_KEEPER)} sh "$d" "$kept" <>"$d/in" >&0 2>/dev/null &
echo $! >"$d/keeper"
echo $$ >"$d/pid"
"$@" <"$d/in" >>"$d/out" 2>>"$d/err"
echo $? >"$d/status.new"
mv -f "$d/status.new" "$d/status"
exec sleep "$kept"
"""
# Who loses the connection may run a script again (ssh's retries): what was made is not made twice, nor fed.
_MAKE = f"""
d=$1 out=$2 err=$3 until=$4 tries=$5 fed=$6 turn=$7 kept=$8
shift 8
if [ ! -d "$d" ]; then
    mkdir -m 700 -- "$d" && mkfifo "$d/in" && : >"$d/out" && : >"$d/err" || exit
    setsid sh -c {shlex.quote(_RUN)} sh "$d" "$kept" "$@" </dev/null >/dev/null 2>&1 &
fi
set -- "$d" "$out" "$err" "$until" "$tries" "$fed" "$turn"
i=0
while [ ! -s "$d/pid" ] && [ "$i" -lt 200 ]; do i=$((i + 1)) && sleep 0.01; done
"""
_GONE = r"""
d=$1
gone() { [ -e "$d/status" ] || ! { read -r pid <"$d/pid" && kill -0 "$pid"; } 2>/dev/null; }
"""
_EXCHANGE = (
    _GONE
    + rf"""
out=$2 err=$3 until=$4 tries=$5 fed=$6 turn=$7
[ -d "$d" ] || {{ echo "$d has gone" >&2; exit {_ENDED}; }}
: >"$d/heard"
size() {{ wc -c <"$1"; }}
read -r _
if [ "$fed" != 0 ] && [ ! -e "$d/fed.$turn" ] && ! gone; then
    cat >"$d/new"
    [ "$(size "$d/new")" -eq "$fed" ] || {{ echo "cut off on its way" >&2; exit 1; }}
    : >"$d/fed.$turn"
    timeout 20 cat "$d/new" >>"$d/in"
fi
said() {{
    if [ -n "$until" ]; then tail -c "+$((out + 1))" "$d/out" | grep -aqF -e "$until"
    else [ "$(size "$d/out")" -gt "$out" ] || [ "$(size "$d/err")" -gt "$err" ]; fi
}}
i=0
while ! gone && ! said && [ "$i" -lt "$tries" ]; do
    i=$((i + 1))
    if [ "$i" -lt 6 ]; then sleep 0.01; else sleep 0.05; fi
done
ended=$(! gone || echo {_ENDED})
outs=$(($(size "$d/out") - out)) errs=$(($(size "$d/err") - err))
echo "$outs $errs"
tail -c "+$((out + 1))" "$d/out" | head -c "$outs"
tail -c "+$((err + 1))" "$d/err" | head -c "$errs"
exit "${{ended:-0}}"
"""
)
_KILL = r"""
[ -d "$1" ] || exit 0
kill -9 "-$(cat "$1/pid")" 2>/dev/null
kill -9 "-$(cat "$1/keeper")" 2>/dev/null
rm -rf -- "$1"
"""
_FINISH = (
    _GONE
    + r"""
[ -d "$d" ] || exit 0
kill -TERM "-$(cat "$d/keeper")" 2>/dev/null
i=0
while ! gone && [ "$i" -lt "$2" ]; do i=$((i + 1)); sleep 0.05; done
cat "$d/status" 2>/dev/null
kill -9 "-$(cat "$d/pid")" 2>/dev/null
rm -rf -- "$d"
"""
)
_FIRST = _MAKE + _EXCHANGE
SCRIPTS = {"first exchange": _FIRST, "exchange": _EXCHANGE, "finish": _FINISH, "kill pump": _KILL}
"""Every constant script above, for the linter."""


@dataclass(frozen=True, slots=True)
class Executed:
    """How one command ended over the connection."""

    status: int
    out: bytes
    err: bytes


class Connection(Protocol):
    """Somebody else's way to a host."""

    def execute(self, script: str, arguments: Argv, stdin: bytes) -> Executed:
        """Run a script of `sh` there; the input is never empty.

        :raise OSError: when the host cannot be reached, or does not let us in.
        """
        ...


class Pump:
    """The streams of a program on a host; it is started by the first exchange."""

    def __init__(
        self, connection: Connection, argv: Argv, directory: str = _PLACE, kept: int = _KEPT
    ) -> None:
        self._connection, self._argv = connection, argv
        self._kept = kept
        self._directory = f"{directory}/.rscvm-{secrets.token_hex(16)}"
        self._out = self._err = 0
        self._started = self._ended = False
        self._turn = 0
        self._fed = b""
        self._until = ""
        self._early: tuple[bytes, bytes] = (b"", b"")

    def unread(self, out: bytes, err: bytes) -> None:
        """Let this be what it says next."""
        self._early = out, err

    def send(self, data: bytes, until: str = "", seconds: float = 0) -> None:  # noqa: ARG002 - it can be killed
        """Write to its input, with the next exchange; `until`: the words with which the answer ends."""
        self._fed += data
        self._until = until

    def receive(self, seconds: float) -> tuple[bytes, bytes] | None:
        """What it has said since, perhaps nothing; None once it has ended and all has been told.

        :raise OSError: when nobody knows whether it has.
        """
        if any(self._early):
            early, self._early = self._early, (b"", b"")
            return early
        if self._ended:
            return None
        wait = _LONGEST if self._until else min(max(seconds, 0.0), _LONGEST)
        fed, self._fed = self._fed, b""
        self._turn += 1
        numbers = (str(number) for number in (int(wait / 0.05) + 1, len(fed), self._turn))
        arguments = (str(self._out), str(self._err), self._until, *numbers)
        script, first = (_EXCHANGE, ()) if self._started else (_FIRST, (str(self._kept), *self._argv))
        # Some connections give a command with no input a terminal, which would mingle its streams: there is always some.
        self._started = True
        done = self._connection.execute(script, (self._directory, *arguments, *first), b"\n" + fed)
        if done.status not in (0, _ENDED):
            raise ConnectionError(
                quoted(done.err.decode("utf-8", "replace")) or f"its host says {done.status}"
            )
        self._ended = done.status == _ENDED
        out, err = _apart(done.out)
        self._out, self._err = self._out + len(out), self._err + len(err)
        return None if self._ended and not (out or err) else (out, err)

    def end(self, seconds: float) -> int:
        """End its input and wait for it; one that does not end in time is killed. Return its exit status."""
        if not self._started:
            return 0
        self._ended = True
        try:
            done = self._connection.execute(_FINISH, (self._directory, str(int(seconds / 0.05))), b"\n")
        except OSError:
            return -9  # it ends by itself, once nobody has been heard for a while
        said = done.out.strip()
        return int(said) if said.isdigit() else -9

    def kill(self) -> None:
        """End it, and what it has started."""
        if self._started and not self._ended:
            self._ended = True
            try:
                self._connection.execute(_KILL, (self._directory,), b"\n")
            except OSError:
                return  # it ends by itself, once nobody has been heard for a while


def _apart(said: bytes) -> tuple[bytes, bytes]:
    """What a program has put out and complained, behind a line of how much that is; the connection's own words are in neither.

    :raise ConnectionError: when it has not come whole.
    """
    head, _, rest = said.partition(b"\n")
    if not said:  # it is gone
        return b"", b""
    if not re.fullmatch(rb"[0-9]{1,12} [0-9]{1,12}", head):
        raise ConnectionError("its host did not say how much it says")
    outs, errs = map(int, head.split())
    if len(rest) != outs + errs:
        raise ConnectionError("what it said has not come whole")
    return rest[:outs], rest[outs:]
