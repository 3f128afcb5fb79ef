"""The names of a local libvirt's domains, for a shell that completes one."""

from __future__ import annotations

import os
import re
from typing import Any

from provision.edges.libvirt.monitor import UNDECODED, binding, within
from provision.runtime.errors import UnreadableError

_LOCAL = re.compile(r"[a-z]+(\+unix)?:///.*")
_MOST = 5_000
_PATIENCE = 30.0


def domain_names(uri: str) -> list[str]:
    """Names of the domains; none where their libvirt is not on this machine or does not tell them.

    It is asked for reading alone, for which no password is asked, and a user's own libvirtd is not started for it.
    """
    if not _LOCAL.fullmatch(uri):
        return []
    libvirt = binding()
    os.environ["LIBVIRT_AUTOSTART"] = "0"  # virConnectOpen's documentation
    try:
        return within(_PATIENCE, lambda: _names(libvirt.openReadOnly(uri)))
    except (libvirt.libvirtError, TimeoutError, UnreadableError):
        return []


def _names(connection: Any) -> list[str]:
    names = []
    for found in connection.listAllDomains()[:_MOST]:
        try:
            names.append(str(found.name()))
        except UNDECODED:  # another domain's may be text
            continue
    return sorted(names)
