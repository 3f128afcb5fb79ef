"""Logs in to an SSH server: its greeting, its host key, and our keys."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from provision.edges.ssh.identities import our_keys
from provision.edges.ssh.known_hosts import known_keys, trust
from provision.edges.ssh.route import PATIENCE, PULSE, SshError

if TYPE_CHECKING:
    from paramiko import Transport

    from provision.edges.ssh.route import Route
    from provision.edges.ssh.transport import Line
    from provision.runtime.protocols import Target


def log_in(target: Target, route: Route, line: Line) -> Transport:
    """A connection that is open for use.

    :raise HostError: when the other end is no SSH server, its key is not the known one, or it does not let us in.
    """
    transport = _greeted(target, route, line)
    try:
        key = transport.get_remote_server_key()
        trust(target.name, route, key.get_name(), key.asbytes())
        _let_in(target, route, transport)
    except BaseException:
        transport.close()
        raise
    transport.set_keepalive(PULSE)
    return transport


def _greeted(target: Target, route: Route, line: Line) -> Transport:
    from paramiko import SSHException, Transport  # noqa: PLC0415 - takes longer to load than --help takes to print

    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    logging.getLogger("paramiko").propagate = False
    transport = Transport(line.socket)
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = PATIENCE
    options = transport.get_security_options()
    known = {key.kind for key in known_keys(route.known_as, route.known_hosts)}
    options.key_types = sorted(options.key_types, key=lambda kind: _plain(kind) not in known)
    # It holds what comes to what was meant by itself; of others paramiko compares each packet's digest in Python.
    options.ciphers = sorted(options.ciphers, key=lambda name: "gcm" not in name)
    try:
        transport.start_client(timeout=2 * PATIENCE)
        transport.get_remote_server_key()
    except (SSHException, EOFError, OSError) as error:
        transport.close()
        words = line.words() or str(error) or "it hung up"
        through = f", through `{route.proxy}`" if route.proxy else ""
        raise SshError(
            f"host {target.name}: {route.host} port {route.port}{through} did not answer as an SSH server: {words}",
            hint="is it sshd that listens there, and does it accept more connections?",
        ) from error
    return transport


def _plain(algorithm: str) -> str:
    """The type of key that an algorithm is for; RSA keys have several."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


def _let_in(target: Target, route: Route, transport: Transport) -> None:
    from paramiko import AuthenticationException, BadAuthenticationType, SSHException  # noqa: PLC0415

    tried: list[str] = []
    useless: list[str] = []
    why = ""
    for offer in our_keys(route):
        if isinstance(offer, str):
            useless.append(offer)
            continue
        tried.append(offer.words)
        try:
            left = transport.auth_publickey(route.user, offer.key)
        except BadAuthenticationType as error:
            why = f"it takes no keys, only {', '.join(error.allowed_types)}"
            break
        except AuthenticationException as error:
            why = str(error)
        except (SSHException, EOFError, OSError) as error:
            why = str(error)
        else:
            if not left:
                return
            why = f"a key is not enough, it also wants {', '.join(left)}"
        if not transport.is_active():
            break
    raise _kept_out(target, route, tried, useless, why)


def _kept_out(target: Target, route: Route, tried: list[str], useless: list[str], why: str) -> SshError:
    where = f"host {target.name}: {route.user} is not let in at {route.host} port {route.port}"
    if tried:
        hint = f"is one of these keys among ~{route.user}/.ssh/authorized_keys there?"
        words = f"{where}: {why.strip().rstrip('.')}; keys tried: {', '.join(tried)}"
    else:
        hint = f"name a key by hosts.{target.name}.identity, or hand one to an agent by ssh-add"
        words = f"{where}: there is no key to try"
    return SshError("; ".join((words, *useless)), hint=hint)
