"""A client and the hosts that it reaches over SSH, made of namespaces; each has two NICs and six settings of them."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.runtime.places import Target
from tests.real.hypervisor import Hypervisor
from tests.real.remote import Site, cable, key_pair, public

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

NICS = ("nic0", "nic1")
WANTED = {
    "generic-receive-offload": True,
    "generic-segmentation-offload": False,
    "tcp-segmentation-offload": False,
}
"""Of each NIC; a veth has them the other way round."""


def word(on: bool) -> str:  # noqa: FBT001 - a feature's
    """A feature's state in ethtool's words."""
    return "on" if on else "off"


def commands(*, wanted: bool) -> str:
    """What sets all six, in as few commands as that takes: as they are wanted, or the other way round."""
    settings = " ".join(f"{name} {word(on is wanted)}" for name, on in WANTED.items())
    return " && ".join(f"ethtool -K {nic} {settings}" for nic in NICS)


# bash reads it in every session, and what it does on the machine that measures is not what it does on a host.
_PLAIN = "rm -f ~/.bashrc"
# What rscvm notes for `down`, and the connections that Ansible keeps, would make the next run another one.
_FORGET = "rm -rf /var/lib/rscvm/*"
_HANG_UP = (
    'for s in ~/.ansible/cp/*; do [ ! -S "$s" ] || ssh -O exit -o ControlPath="$s" - 2>/dev/null; done; true'
)


@dataclass(frozen=True)
class Fleet:
    """Hosts by name; the client's ~/.ssh/config leads to each, for whoever asks from there."""

    client: Hypervisor
    sites: Mapping[str, Site]

    def reset(self) -> None:
        """Every setting the other way round, and nothing left of the run before."""
        self.client.output(["sh", "-c", _HANG_UP])
        for site in self.sites.values():
            site.remote.output(["sh", "-ec", f"{commands(wanted=False)} && {_FORGET}"])

    def check(self) -> None:
        """Every setting is as it is wanted, by another way than that of whoever set it.

        :raise RuntimeError: when one is not.
        """
        for name, site in self.sites.items():
            for nic in NICS:
                found = site.remote.ethtool_features(nic)
                if wrong := [feature for feature, on in WANTED.items() if found[feature]["active"] is not on]:
                    raise RuntimeError(f"{name}'s {nic}: {', '.join(wrong)} not set")


def lab(fleet: Fleet) -> str:
    """The six settings of each host as a lab file has them; SSH's configuration knows the rest."""
    features = ", ".join(f"{name}: {word(on)}" for name, on in WANTED.items())
    nics = "".join(f"      {nic}: {{features: {{{features}}}}}\n" for nic in NICS)
    return "version: 1\nhosts:\n" + "".join(
        f"  {name}:\n    address: {name}\n    nics:\n{nics}" for name in fleet.sites
    )


def _configuration(sites: Mapping[str, Site], at: Path) -> str:
    """One for OpenSSH, for rscvm, which asks `ssh` about it, and for peers, which read it."""
    hosts = "".join(f"Host {name}\n  HostName {site.target.address}\n" for name, site in sites.items())
    return f"{hosts}Host *\n  User root\n  IdentityFile {at}/id\n  UserKnownHostsFile {at}/known_hosts\n"


def _joined(stack: ExitStack, client: Hypervisor, at: Path, number: int) -> Site:
    """A host at the end of a cable of its own, with an sshd and its NICs."""
    near, far = (f"192.0.2.{4 * number + end}" for end in (1, 2))
    remote = stack.enter_context(Hypervisor())
    remote.output(["sh", "-c", _PLAIN])
    stack.enter_context(cable(client, remote, near, far, f"wire{number}"))
    site = Site(client, remote, at, Target(f"h{number}", far))
    site.start_sshd()
    stack.callback(site.stop)
    for nic in NICS:
        remote.output(["ip", "link", "add", nic, "type", "veth", "peer", "name", f"far-{nic}"])
    return site


@contextmanager
def fleet_of(count: int, at: Path) -> Iterator[Fleet]:
    """So many hosts, all of the same key; they end with the block."""
    for name in ("host_key", "id"):
        key_pair(at / name)
    with ExitStack() as stack:
        client = stack.enter_context(Hypervisor())
        sites = {f"h{number}": _joined(stack, client, at, number) for number in range(count)}
        key = public(at / "host_key")
        addresses = ",".join(site.target.address for site in sites.values())
        (at / "known_hosts").write_text(f"{addresses} {key}\n")
        next(iter(sites.values())).configure(_configuration(sites, at))
        yield Fleet(client, sites)
