"""A host that runs commands over SSH: one connection, opened when first used and kept.

What a login shell is given is the name of a program and nothing to quote, so that any login shell will do. The script
that makes it a shell of ours goes through its input; it answers with its process group, by which it can be ended.
"""

from __future__ import annotations

import re
import secrets
import shlex
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from provision.edges.local import SBIN
from provision.edges.shell import ShellHost
from provision.edges.ssh.login import log_in
from provision.edges.ssh.paramiko_import import load_paramiko
from provision.edges.ssh.route import PATIENCE, SshError, route_to
from provision.edges.ssh.stream import SshStream, whole
from provision.edges.ssh.transport import Line
from provision.runtime.deadline import Deadline, limited, within_limit
from provision.runtime.errors import HostError
from provision.runtime.interrupt import look
from provision.runtime.safe_text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paramiko import Transport

    from provision.edges.ssh.route import Route
    from provision.runtime.command import Argv
    from provision.runtime.places import Target

_MOST_NOISE = 1 << 16
"""Bytes that a login may print on each stream before a shell of ours answers."""
_MOST_EARLY = 1 << 24
"""Bytes that come behind the answer on one stream before that on the other; an SSH window is 2 MiB."""
_LOOK = 0.2
"""Seconds between looks for an interruption."""
_SHELL = "exec env LC_ALL=C.UTF-8 sh"
_ROOT_SHELL = "exec env LC_ALL=C.UTF-8 sudo -n -- sh"

# Braces, so that the shell has read all of it before it answers, and what we send next is for the program alone.
_BECOME = """{{
PATH=$PATH:{sbin} LC_ALL=C.UTF-8
export PATH LC_ALL
read -r a a a a group a </proc/$$/stat
printf '\\n%s %s\\n' {token} "$group"
printf '\\n%s\\n' {token} >&2
exec {words}
}}
"""


class NoShellError(SshError):
    """We were let in, and nothing that we could talk to was started."""


class SshHost:
    """The connection to one host."""

    def __init__(self, target: Target, most: int | None = None) -> None:
        """`most`: bytes that may come for each program that is started, where the other end is no host of ours."""
        self._target, self._most = target, most
        self._route: Route | None = None
        self._line: Line | None = None
        self._transport: Transport | None = None

    @property
    def route(self) -> Route:
        """Where it goes."""
        if self._route is None:
            self._route = route_to(self._target)
        return self._route

    def close(self) -> None:
        """Hang up."""
        transport, self._transport = self._transport, None
        line, self._line = self._line, None
        if transport is not None:
            transport.close()
        if line is not None:
            line.close()

    def connect(self) -> None:
        """Be connected.

        :raise HostError: when the host cannot be reached, or does not let us in.
        """
        self._connected()

    def start(self, argv: Argv) -> SshStream:
        """Start a program, as root where the lab file says sudo.

        :raise HostError: when the host cannot be reached, does not let us in, or sudo refuses; or its time is over.
        """
        within_limit(PATIENCE)
        if not self._target.sudo:
            return self._become(_SHELL, argv)
        try:
            return self._become(_ROOT_SHELL, argv)
        except NoShellError as error:
            raise self._sudo_refused(error) from error

    def _become(self, command: str, argv: Argv) -> SshStream:
        """A shell that has become a program.

        :raise NoShellError: when there was none.
        """
        name, token = self._target.name, secrets.token_hex(16)
        stream = self.execute(command)
        try:
            with suppress(ConnectionError):  # what refuses says why
                words = _BECOME.format(sbin=SBIN, token=token, words=shlex.join(argv))
                stream.send(words.encode(), meanwhile=look)
            group, complaint = _answer(stream, token.encode())
        except (ConnectionError, TimeoutError) as error:
            stream.kill()
            raise SshError(f"host {name} started no shell: {error}") from error
        except BaseException:
            stream.kill()
            raise
        if not group:
            stream.kill()
            raise NoShellError(f"host {name} gives the user {self.route.user} no shell: {complaint}")
        stream.end_all = lambda seconds: self._end(command, group, seconds)
        return stream

    def _end(self, command: str, group: str, seconds: float) -> None:
        """End a process group, through a second channel; that the host is lost meanwhile is for others to say."""
        with suppress(HostError, OSError), limited(Deadline(seconds)):
            stream = self.execute(command)
            stream.send(f"kill -9 -{group}\n".encode())
            stream.end(within_limit(PATIENCE))

    def execute(self, command: str) -> SshStream:
        """Start what the user's login shell makes of a command.

        :raise HostError: when the host cannot be reached, or does not let us in.
        """
        transport, line = self._connected()
        line.trusted()  # with each program anew
        with whole(), self._in_time(transport):
            channel = transport.open_session(timeout=PATIENCE)
            stream = SshStream(channel)
            channel.exec_command(command)
        return stream

    @contextmanager
    def _in_time(self, transport: Transport) -> Iterator[None]:
        """Hang up on a host that does not answer a request; paramiko would wait for ever."""
        from paramiko import ChannelException  # noqa: PLC0415

        name = self._target.name
        patience = threading.Timer(within_limit(PATIENCE), transport.close)
        patience.daemon = True
        patience.start()
        try:
            yield
        except ChannelException as error:
            raise SshError(
                f"host {name}: sshd opens no further session: {quoted(error.text)}",
                hint="MaxSessions in its sshd_config must be 4 or more",
            ) from error
        except Exception as error:
            # Whatever paramiko's thread has met with in what the host says is raised here.
            raise SshError(
                f"host {name}: sshd starts no shell: {quoted(str(error)) or 'it hung up'}"
            ) from error
        finally:
            patience.cancel()

    def _sudo_refused(self, error: NoShellError) -> HostError:
        """What has to be done that sudo lets us."""
        name, user = self._target.name, self.route.user
        asking = ShellHost(name, lambda argv: self._become(_SHELL, argv))
        paths = asking.run(("sh", "-c", "command -v sudo || echo none; command -v sh"), timeout=PATIENCE)
        asking.close()
        sudo, shell = (*paths.out.split(), "", "")[:2]
        if sudo == "none":
            return HostError(f"sudo not found on {name}", hint="install it (Debian: sudo), or log in as root")
        return HostError(
            f"sudo on {name} refuses {user} a shell: {error}", hint=sudoers_hint(user, shell, str(error))
        )

    def _connected(self) -> tuple[Transport, Line]:
        if self._line is None or self._transport is None or not self._transport.is_active():
            self.close()
            self._line = Line(self._target.name, self.route, self._most)
            try:
                load_paramiko()  # while sshd starts, and before any of it
                self._transport = log_in(self._target, self.route, self._line)
            except BaseException:
                self.close()
                raise
        return self._transport, self._line


def sudoers_hint(user: str, shell: str, said: str) -> str:
    """The line of sudoers that would let us in, where what sudo said is about that."""
    escaped = re.sub(r"([^A-Za-z0-9_.-])", r"\\\1", user)
    edit = "as root there, `visudo -f /etc/sudoers.d/rscvm`:"
    if "tty" in said:
        return f"{edit} Defaults:{escaped} !requiretty"
    if any(words in said for words in ("password is required", "sudoers", "not allowed", "may not run")):
        return f"{edit} {escaped} ALL=(root) NOPASSWD: {shell} (this makes {user} as good as root)"
    return ""


def _answer(stream: SshStream, token: bytes) -> tuple[str, str]:
    """The process group of a shell that has become ours, and nothing; or nothing, and what was said instead.

    What a login shell has printed before is dropped, and what the program itself says is left to be received.

    :raise TimeoutError: when neither comes.
    :raise ConnectionError: when too much comes instead.
    """
    out = _Heard(rb"\n%b (\d+)\n" % token)
    err = _Heard(rb"\n%b\n" % token)
    deadline = time.monotonic() + within_limit(2 * PATIENCE)
    while not (out.found and err.found):
        if (left := deadline - time.monotonic()) <= 0:
            raise TimeoutError(f"nothing came within {2 * PATIENCE} s")
        more = stream.receive(min(left, _LOOK))
        look()
        if more is None:
            said = b"\n".join(filter(None, (err.data.strip(), out.data.strip())))
            words = quoted(said.decode("utf-8", "replace"))
            return "", words or "it ended at once and said nothing"
        out.hear(more[0])
        err.hear(more[1])
    stream.unread(bytes(out.data), bytes(err.data))
    return out.found[1].decode(), ""


class _Heard:
    """What has come of a stream in which our own line is sought; once that is found, what stands behind it."""

    def __init__(self, line: bytes) -> None:
        self.found: re.Match[bytes] | None = None
        self.data = bytearray()
        self._line = re.compile(line)

    def hear(self, more: bytes) -> None:
        """Take what has come.

        :raise ConnectionError: when that is too much to keep.
        """
        self.data += more
        if more and not self.found and (found := self._line.search(bytes(self.data))):
            self.found = found
            del self.data[: found.end()]
        if len(self.data) > (_MOST_EARLY if self.found else _MOST_NOISE):
            raise ConnectionError(f"what logs in there says more than {_MOST_NOISE >> 10} KiB of its own")
