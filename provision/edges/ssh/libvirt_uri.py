"""A URI by which libvirt reaches another host over `ssh`, as strictly as we do ourselves.

libvirt's own parameters cannot make its ssh strict (`known_hosts` is ignored there), so the URI names a script that
adds what is missing.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from provision.edges.ssh.route import route_to, ssh_options
from provision.runtime.errors import HostError, RequestError

if TYPE_CHECKING:
    from provision.runtime.places import Target

_REPLACED = ("command=", "no_verify=")

# In a session of its own, where the terminal's Ctrl-C does not reach it: we take back over it what was done.
# What ssh complains must be short: libvirt hands on 1024 bytes of it, and of more only that it was too much.
_SCRIPT = """#!/bin/sh
{sudo}exec setsid ssh -o LogLevel=FATAL {options} "$@"
"""

# What libvirt runs there comes after `--` and the host's name.
_SUDO = """seen=
for word do
    shift
    set -- "$@" "$word"
    [ "$seen" != here ] || { set -- "$@" sudo -n --; seen=past; }
    [ "$seen$word" != -- ] || seen=here
done
"""


class LibvirtRoad:
    """The script that libvirt's ssh goes by; it is there until it is closed.

    It obeys ssh's configuration by itself, but what that has of jumps: to the hosts on the way it would not be strict.
    """

    def __init__(self, target: Target) -> None:
        """Write it.

        :raise HostError: when ssh's configuration cannot be read or honoured, or no program can be run from there.
        """
        route = route_to(target)
        self._target = target
        self._directory = tempfile.TemporaryDirectory(prefix="rscvm-")
        self._script = Path(self._directory.name, "ssh")
        system = urlsplit(target.libvirt).path == "/system"
        way = ("-o", f"ProxyCommand={route.proxy.replace('%', '%%')}") if route.jumps else ()
        options = shlex.join((*way, *ssh_options(target)))
        self._script.touch(0o700)
        self._script.write_text(_SCRIPT.format(sudo=_SUDO if target.sudo and system else "", options=options))
        if not os.access(self._script, os.X_OK):
            self.close()
            raise HostError(
                f"no program can be run in {tempfile.gettempdir()}, where libvirt's way to {target.name} begins",
                hint="set TMPDIR to a directory whose file system is not mounted noexec",
            )

    def close(self) -> None:
        """Remove it."""
        self._directory.cleanup()

    @property
    def uri(self) -> str:
        """Where the host's libvirt is, as seen from here.

        :raise RequestError: when the lab file's URI is none that a host has for itself.
        """
        target = self._target
        there = urlsplit(target.libvirt)
        if there.scheme != "qemu" or there.netloc or there.path not in ("/system", "/session"):
            raise RequestError(
                f"hosts.{target.name}.libvirt: {target.libvirt} cannot be reached over SSH",
                hint="it is qemu:///system or qemu:///session, as seen on that host",
            )
        user = f"{quote(target.user, safe='')}@" if target.user else ""
        host = f"[{target.address}]" if ":" in target.address else quote(target.address, safe="")
        port = f":{target.port}" if target.port is not None else ""
        kept = [word for word in there.query.split("&") if word and not word.startswith(_REPLACED)]
        query = "&".join((*kept, f"command={quote(str(self._script), safe='/')}"))
        return f"qemu+ssh://{user}{host}{port}{there.path}?{query}"
