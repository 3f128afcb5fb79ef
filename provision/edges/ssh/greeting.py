"""The greeting of an SSH server, by algorithms that ssh's configuration allows."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from paramiko import Transport
from paramiko.ssh_exception import IncompatiblePeer

from provision.edges.ssh.certificates import SUFFIX
from provision.edges.ssh.known_hosts import known_authorities, known_keys
from provision.edges.ssh.route import PATIENCE, SshError
from provision.runtime.deadline import within_limit
from provision.runtime.safe_text import quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from provision.edges.ssh.route import Route
    from provision.edges.ssh.transport import Line
    from provision.runtime.places import Target

_FEWEST = 1 << 16
"""Bytes between two changes of keys; with fewer paramiko does nothing else."""
_RSA = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")


class _Transport(Transport):
    """A connection that asks for just these kinds of host keys.

    Certificates come first where an authority is known, as `ssh` has it; paramiko would ask for them last, and always.
    """

    host_keys: tuple[str, ...] = ()

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        """What is asked for, the first first."""
        return self.host_keys


def greeted(target: Target, route: Route, line: Line) -> Transport:
    """A connection whose other end has proven to have its host key, whatever that is.

    :raise SshError: when it is no SSH server, or there is nothing that both it and ssh's configuration allow.
    """
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    logging.getLogger("paramiko").propagate = False
    ours = route.allowed.our_keys
    unwanted = [name for name in _RSA if ours and not ours & {name, f"{name}{SUFFIX}"}]
    transport = _Transport(line.socket, disabled_algorithms={"pubkeys": unwanted})
    _narrow(target, route, transport)
    patience = within_limit(2 * PATIENCE)
    try:
        transport.start_client(timeout=patience)
        transport.get_remote_server_key()
    except Exception as error:
        # Whatever paramiko's thread has met with in what the other end says is raised here, bad UTF-8 included.
        transport.close()
        raise _not_greeted(target, route, line, error) from error
    except BaseException:
        transport.close()
        raise
    return transport


def _not_greeted(target: Target, route: Route, line: Line, error: Exception) -> SshError:
    """Why there is no connection: what leads there, what it speaks, or what both would take."""
    there = f"host {target.name}: {route.host} port {route.port}"
    if isinstance(error, IncompatiblePeer):
        return SshError(
            f"{there} and we have nothing in common: {quoted(str(error))}",
            hint="we speak SSH 2; Ciphers, MACs, KexAlgorithms and HostKeyAlgorithms of ssh's configuration narrow what we take",
        )
    if route.through and (said := [each for each in line.words().splitlines() if re.search(r"\w", each)]):
        return SshError(
            f"{there}, through {route.through}, is not reached: {quoted(chr(10).join(said), lines=12)}",
            hint=f"what {route.through} says is all that is known of it",
        )
    through = f", through {route.through}," if route.through else ""
    why = (error.strerror if isinstance(error, OSError) else None) or str(error) or "it hung up"
    return SshError(
        f"{there}{through} did not answer as an SSH server: {quoted(why)}",
        hint="is it sshd that listens there, and does it accept more connections?",
    )


def _narrow(target: Target, route: Route, transport: _Transport) -> None:
    """Ask for nothing that ssh's configuration does not allow.

    :raise SshError: when nothing is left to ask for.
    """
    transport.banner_timeout = transport.handshake_timeout = PATIENCE
    transport.clear_to_send_timeout = PATIENCE  # for new keys, before which nothing is said
    options, allowed = transport.get_security_options(), route.allowed

    def left(keyword: str, names: Sequence[str], wanted: Collection[str]) -> tuple[str, ...]:
        kept = tuple(name for name in names if not wanted or name in wanted)
        if not kept:
            raise SshError(
                f"host {target.name}: {keyword} of ssh's configuration leaves none that rscvm has ({', '.join(names)})",
                hint=f"`ssh -G {target.address}` prints it; a Host block of ~/.ssh/config can add one for this host",
            )
        return kept

    # GCM holds what comes to what was meant by itself; of others paramiko compares each packet's digest in Python.
    ciphers = sorted(options.ciphers, key=lambda name: "gcm" not in name)
    options.ciphers = left("Ciphers", ciphers, allowed.ciphers)
    options.digests = left("MACs", options.digests, allowed.macs)
    options.kex = left("KexAlgorithms", options.kex, allowed.kex)
    known = {key.kind for key in known_keys(route.known_as, route.known_hosts)}
    plain = sorted(options.key_types, key=lambda kind: _plain(kind) not in known)
    certified = [f"{name}{SUFFIX}" for name in plain] if known_authorities(route) else []
    transport.host_keys = left("HostKeyAlgorithms", [*certified, *plain], allowed.host_keys)
    if allowed.rekey_bytes:
        packets = transport.packetizer
        packets.REKEY_BYTES = min(max(allowed.rekey_bytes, _FEWEST), packets.REKEY_BYTES)


def _plain(algorithm: str) -> str:
    """The type of key that an algorithm is for; RSA keys have several."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm
