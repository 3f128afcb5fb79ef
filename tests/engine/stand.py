"""A machine that rscvm has started with the engine guest in it, and who sends to its test NICs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.engine import ports, segments
from tests.engine.link import Link, Record, Verb
from tests.engine.ports import Ports
from tests.engine.segments import ACK, FIN, Family, Segment
from tests.real.conftest import Lab
from tests.real.hypervisor import Hypervisor, wait_for

BOOT_SECONDS = 120


@dataclass(frozen=True, slots=True)
class TestNic:
    """A NIC under test: the guest's driver behind it, and its TAP."""

    __test__ = False  # pytest: no class of tests

    host: Hypervisor
    ports: Ports
    link: Link
    tap: str

    def received(self, *sent: Segment) -> list[Record]:
        """What became of segments of one flow that are sent as from a wire; what is held until a FIN is let go."""
        return self._received(sent[-1], lambda: self.ports.send(self.link.mac, *sent))

    def received_offloaded(self, mss: int, *sent: Segment) -> list[Record]:
        """The same from a machine of the same host that leaves checksums, and what is beyond the MSS, to its device."""
        return self._received(sent[-1], lambda: self.ports.send_offloaded(self.link.mac, mss, *sent))

    def received_from_host(self, family: Family, count: int) -> list[Record]:
        """The same of a stream of so many full segments from the host's own TCP."""
        stream = Segment(family, size=count * segments.MSS[family])
        data = segments.payload(stream.sequence, stream.size)
        return self._received(stream, lambda: self.ports.send_from_host(family, data))

    def _received(self, last: Segment, send: Callable[[], None]) -> list[Record]:
        """What came of the flow, but for the FIN that ends it."""
        self.link.done(Verb.CLEAR)
        send()
        end = last.sequence + last.size
        self.ports.send(self.link.mac, Segment(last.family, end, flags=ACK | FIN, port=last.port))
        *found, fin = self.link.until(lambda found: bool(found and found[-1].tcp_flags & FIN), "the FIN")
        assert (fin.sum, fin.gso_type, fin.malformed) == ("right", 0, False)
        return found

    def offloads_on(self) -> bool:
        """Whether the TAP hands on what a sender left to it."""
        return bool(self.host.ethtool_features(self.tap)["tx-checksum-ip-generic"]["active"])

    def reboot(self) -> None:
        """Let the guest reboot; its driver runs again when this returns.

        :raise TimeoutError: when it does not come back.
        """
        before = self.link.done(Verb.STATE).boot
        self.link.done(Verb.REBOOT, int.from_bytes(before[:8], "little"))
        wait_for(
            lambda: self.link.ask(Verb.STATE, seconds=BOOT_SECONDS).boot != before,
            time.monotonic() + BOOT_SECONDS,
            "another boot",
        )


def keep_wire_like(nic: TestNic) -> None:
    """Let the TAP make of what any sender left to offloads what a wire carries; lost at the next start of the driver."""
    nic.host.output(["ethtool", "-K", nic.tap, "tx", "off"])


@contextmanager
def gathered(host: Hypervisor) -> Iterator[None]:
    """While GRO gathers what comes in from the wire, and waits up to 20 ms for more; a veth does so for who has no TSO."""

    def wait(nanoseconds: int, polls: int) -> None:
        for name, value in (("gro_flush_timeout", nanoseconds), ("napi_defer_hard_irqs", polls)):
            host.path(f"/sys/class/net/beside/{name}").write_text(str(value))

    host.output(["ethtool", "-K", "port", "tso", "off"])
    host.output(["ethtool", "-K", "beside", "gro", "on"])
    wait(20_000_000, 2)
    try:
        yield
    finally:
        wait(0, 0)
        host.output(["ethtool", "-K", "beside", "gro", "off"])
        host.output(["ethtool", "-K", "port", "tso", "on"])


@contextmanager
def stand(lab: Lab, bridge: str, *names: str) -> Iterator[dict[str, TestNic]]:
    """NICs by name, of which each is asked for as machine.name; their bridge gets a port for the block's time."""
    host, nics = lab.host, lab.nics(*{name.split(".")[0] for name in names})
    host.output(["ip", "link", "add", "beside", "up", "type", "veth", "peer", "name", "port"])
    host.output(["ip", "link", "set", "port", "up"])
    host.output(["ip", "link", "set", "beside", "master", bridge])
    try:
        with ports.opened(host, "port") as opened:
            macs = {name: bytes.fromhex(nics[name]["mac"].replace(":", "")) for name in names}
            yield {
                name.split(".")[1]: TestNic(host, opened, Link(opened, mac), nics[name]["tap"])
                for name, mac in macs.items()
            }
    finally:
        host.output(["ip", "link", "delete", "beside"])


def counted(found: Sequence[Record]) -> int:
    """How many segments there were by what the device says, which is NetKVM's word to NDIS."""
    return sum(each.csum_start if each.flags & segments.RSC_INFO else 1 for each in found)


def merged(found: Sequence[Record]) -> bool:
    """Whether any segments were."""
    return any(each.flags & segments.RSC_INFO for each in found)
