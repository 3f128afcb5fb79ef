"""The traffic of a leg: an iperf3 client on a host, and its server in the guest, ours or the user's."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.facts.guest_server import GuestServer, GuestWork, parse_server, parse_work
from provision.facts.iperf3 import ClientRun, parse_client
from provision.render.guest_scripts import (
    ask_coalesced,
    ask_work,
    end_serving,
    end_serving_windows,
    serve,
    serve_windows,
)
from provision.runtime.command import NOT_FOUND
from provision.runtime.deadline import Deadline, wait_for
from provision.runtime.errors import HostError, RscvmError, WaitedError
from provision.runtime.interrupt import shield
from provision.verify.collect.guest_answers import Told, first_answers, said_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from provision.runtime.command import Say
    from provision.runtime.guest_channel import GuestWay, Script, System
    from provision.runtime.protocols import Edges, ReadingEdges, Runner
    from provision.verify.evidence import NicEvidence

OWN_PORT = 5202
"""Of a server that we start: iperf3's own, 5201, may be somebody's."""
OMITTED = 1
"""Seconds at the beginning of each leg in which TCP finds its pace; what arrives in them is not counted."""
_SLACK = 5
"""Seconds for connecting and for the exchange of results."""
_STARTS = 10.0
"""Seconds within which a server that was started listens."""
_BY_HAND = "or start `iperf3 -s` in the guest yourself and name where it listens: --server ADDRESS[:PORT]"
_IN_WINDOWS = (
    "name its iperf3.exe in the lab file (machines.NAME.iperf3), or start `iperf3.exe -s` there and let its port in: New-NetFirewallRule -DisplayName iperf3 -Direction Inbound "
    "-Protocol TCP -LocalPort 5201 -Action Allow"
)

_ENDS: dict[System, Callable[[], Script]] = {"linux": end_serving, "windows": end_serving_windows}


@dataclass(frozen=True, slots=True)
class Server:
    """Where an iperf3 server listens, and by which way its guest is asked, where there is one."""

    address: str
    port: int
    way: GuestWay | None = None
    ours: bool = False
    """Whether we have started it."""


def lasts(seconds: int) -> int:
    """Seconds that a leg takes at most."""
    return OMITTED + seconds + _SLACK


def client_argv(server: Server, seconds: int) -> tuple[str, ...]:
    """The command of a leg. Zero-copy, since it is the receiver's side that is measured and not what the sender's copying costs."""
    where = ("--client", server.address, "--port", str(server.port))
    how = ("--time", str(seconds), "--omit", str(OMITTED), "--interval", "0", "--zerocopy", "--json")
    return ("iperf3", *where, *how)


def send(sender: Runner, server: Server, seconds: int) -> ClientRun:
    """Send for so many seconds.

    :raise HostError: when nothing could be sent; in iperf3's words.
    """
    run = _tried(sender, server, seconds)
    if run.error:
        hint = "is its firewall open for that port, and is the address the guest's?"
        raise HostError(
            f"iperf3 from {sender.name} to {server.address}:{server.port}: {run.error}", hint=hint
        )
    return run


def _tried(sender: Runner, server: Server, seconds: int) -> ClientRun:
    most = lasts(seconds)
    done = sender.run(("timeout", str(most), *client_argv(server, seconds)), timeout=most + _SLACK)
    if done.status == NOT_FOUND:
        raise HostError(f"iperf3 not found on {sender.name}", hint="install it (Debian: iperf3)")
    if not done.out.strip():
        ended = (
            f"it did not end within {most} s"
            if done.status == 124
            else done.err.strip() or f"status {done.status}"
        )
        return ClientRun(error=ended)
    return parse_client(done.out)


def warm_up(sender: Runner, server: Server) -> ClientRun:
    """Send for a second, which counts for nothing; to a server of ours as soon as it listens.

    :raise HostError: when nothing could be sent.
    """
    if not server.ours:
        return send(sender, server, 1)
    last = ClientRun()

    def sent() -> bool:
        nonlocal last
        last = _tried(sender, server, 1)
        return not last.error

    try:
        wait_for(sent, Deadline(_STARTS), "the guest's iperf3 to listen")
    except WaitedError as error:
        raise HostError(
            f"iperf3 from {sender.name} to {server.address}:{server.port}, where one was started in the guest: {last.error}",
            hint=f"the guest's firewall has to let TCP port {server.port} in; {_BY_HAND}",
        ) from error
    return last


@contextmanager
def serving(
    edges: Edges, nic: NicEvidence, ways: Sequence[GuestWay], starts: Mapping[System, Script], say: Say
) -> Iterator[Server]:
    """An iperf3 server in the guest for the block, started by its system's script; it ends with it, and later by itself.

    :raise HostError: when it cannot be started, or at no address that is known.
    """
    told = first_answers(
        edges, nic.host, {nic.machine: ways}, lambda _, host, way: _started(edges, host, way, starts)
    )[nic.machine]
    if not isinstance(told, Told):
        raise HostError(
            f"no iperf3 could be started in the guest of {nic.machine}: {told.reason}", hint=_BY_HAND
        )
    try:
        if not told.facts.started:
            raise HostError(
                f"the guest of {nic.machine} has no iperf3", hint="install it there (Debian: iperf3)"
            )
        if not told.facts.addresses:
            raise HostError(
                f"the guest of {nic.machine} has no address on {nic.mac}", hint="name it: --server ADDRESS"
            )
        yield Server(told.facts.addresses[0], OWN_PORT, told.way, ours=True)
    finally:
        _end(edges, nic, told.way, say)


def starting(nic: NicEvidence, seconds: int, program: str) -> dict[System, Script]:
    """What starts a server for so many seconds, by the guest's system; in Windows where it is known as which program."""
    found: dict[System, Script] = {"linux": serve(nic.mac, OWN_PORT, seconds)}
    return found | ({"windows": serve_windows(nic.mac, OWN_PORT, seconds, program)} if program else {})


def _started(edges: ReadingEdges, host: str, way: GuestWay, starts: Mapping[System, Script]) -> GuestServer:
    with edges.guest(host, way) as channel:
        script = starts.get(way.system or channel.system())
        if script is None:
            raise HostError("in Windows it is started as which program?", hint=_IN_WINDOWS)
        with shield():  # else nobody would know that it is to be ended
            return parse_server(said_to(script, channel, way))


def _end(edges: Edges, nic: NicEvidence, way: GuestWay, say: Say) -> None:
    try:
        with shield(), edges.guest(nic.host, way) as channel:
            said_to(_ENDS[way.system or channel.system()](), channel, way)
    except RscvmError as error:
        say(f"iperf3 in the guest of {nic.machine} could not be ended ({error}): it ends by itself")


def way_in(edges: Edges, nic: NicEvidence, ways: Sequence[GuestWay]) -> GuestWay | None:
    """By which of these a guest tells what it has done; None where it does not."""
    told = first_answers(
        edges, nic.host, {nic.machine: ways}, lambda _, host, way: _work(edges, host, way, nic)
    )
    found = told[nic.machine]
    return found.way if isinstance(found, Told) else None


def guest_work(edges: Edges, nic: NicEvidence, way: GuestWay | None) -> GuestWork:
    """What the guest has done so far, as far as it tells."""
    if way is None:
        return GuestWork()
    try:
        return _work(edges, nic.host, way, nic)
    except RscvmError:
        return GuestWork()


def _work(edges: ReadingEdges, host: str, way: GuestWay, nic: NicEvidence) -> GuestWork:
    with edges.guest(host, way) as channel:
        linux = (way.system or channel.system()) == "linux"
        return parse_work(said_to(ask_work() if linux else ask_coalesced(nic.mac), channel, way))
