"""Logs in to an SSH server: its greeting, its host key, and our keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.edges.ssh.identities import our_keys
from provision.edges.ssh.known_hosts import Shown, trust
from provision.edges.ssh.route import PATIENCE, PULSE, SshError
from provision.runtime.deadline import within_limit
from provision.runtime.safe_text import quoted

if TYPE_CHECKING:
    from paramiko import Transport

    from provision.edges.ssh.route import Route
    from provision.edges.ssh.transport import Line
    from provision.runtime.places import Target


def log_in(target: Target, route: Route, line: Line) -> Transport:
    """A connection that is open for use.

    :raise HostError: when the other end is no SSH server, its key is not the known one, or it does not let us in.
    """
    from provision.edges.ssh.greeting import greeted  # noqa: PLC0415 - paramiko takes longer to load than --help to print

    transport = greeted(target, route, line)
    try:
        key = transport.get_remote_server_key()
        certificate = key.public_blob.key_blob if key.public_blob else b""
        address = line.address if route.check_address else ""
        trust(target.name, route, Shown(key.get_name(), key.asbytes(), key.get_bits(), certificate, address))
        line.trusted()
        _let_in(target, route, transport)
    except BaseException:
        transport.close()
        raise
    transport.set_keepalive(PULSE)
    return transport


def _let_in(target: Target, route: Route, transport: Transport) -> None:
    from paramiko import AuthenticationException, BadAuthenticationType  # noqa: PLC0415

    tried: list[str] = []
    useless: list[str] = []
    why = ""
    for offer in our_keys(route):
        if isinstance(offer, str):
            useless.append(offer)
            continue
        tried.append(offer.words)
        transport.auth_timeout = within_limit(2 * PATIENCE)  # the agent has half of it
        try:
            left = transport.auth_publickey(route.user, offer.key)
        except BadAuthenticationType as error:
            why = f"it takes no keys, only {', '.join(error.allowed_types)}"
            break
        except AuthenticationException as error:
            why = str(error)
        except Exception as error:  # noqa: BLE001 - whatever paramiko's thread has met with in what the host says
            why = str(error) or "it hung up"
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
        words = f"{where}: {quoted(why).rstrip('.')}; keys tried: {', '.join(tried)}"
    else:
        hint = f"name a key by IdentityFile in ~/.ssh/config or {target.place}.identity of a lab file, or hand one to an agent by ssh-add"
        words = f"{where}: there is no key to try"
    return SshError("; ".join((words, *useless)), hint=hint)
