"""Why libvirt did not let us in, told apart by its errors' codes: rights, a URI that is none, nobody there."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from provision.edges.libvirt.monitor import binding
from provision.runtime.errors import HostError, RequestError
from provision.runtime.safe_text import quoted

if TYPE_CHECKING:
    from provision.runtime.errors import RscvmError

_FORMS = "such as qemu:///system, qemu:///session or qemu+ssh://USER@HOST/system"
_GROUP = "`usermod -aG libvirt USER`, then log in anew"
# Who may is said in libvirt.org/auth.html and aclpolkit.html; the group is that of the rules and of the socket in
# Debian's libvirt-daemon-system 9.0.0 (60-libvirt.rules, libvirtd.conf).
_SOCKET = f"run it by sudo, or be in the group of libvirt's socket (as a rule libvirt: {_GROUP})"
_POLKIT = f"run it by sudo, or be allowed org.libvirt.unix.manage by polkit (as a rule the group libvirt is: {_GROUP})"
_THERE_DENIED = (
    "may this user use it there? (group libvirt, or root: USER in the URI, or `sudo: true` in a lab file)"
)
_THERE = "is libvirtd running there, and may this user use it? (group libvirt, or `sudo: true`)"
_ELSEWHERE = "is that the socket of a libvirt that runs?"
_SESSION = "a user's own libvirt needs a daemon of libvirt's to be installed; the system's is qemu:///system"
_UNITS = ("virtqemud.socket", "libvirtd.socket")
_FOLDERS = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
_ENABLED = "/etc/systemd/system/sockets.target.wants"


def refused(uri: str, shown: str, error: Any) -> RscvmError:
    """What to say of an error that libvirt gave instead of a connection.

    :param shown: the URI as its user may see it.
    """
    asked, said = urlsplit(uri), quoted(str(error))
    here = not asked.netloc
    # Of a system's error libvirt's int1 is errno (virReportSystemErrorFull in its util/virerror.c).
    system = error.get_error_code() == binding().VIR_ERR_SYSTEM_ERROR
    number = error.get_int1() if system and here else 0
    if _is_no_uri(uri, error):
        words = "" if number else f": {said}"  # whoever was not reached has not looked at it
        return RequestError(f"{shown} is no libvirt's URI{words}", hint=_FORMS)
    if number in (errno.EACCES, errno.EPERM) or _is_polkits(error):
        hint = _THERE_DENIED if not here else _SOCKET if number else _POLKIT
        return HostError(f"libvirt at {shown} does not let this user in: {said}", hint=hint)
    if number in (errno.ENOENT, errno.ECONNREFUSED):
        hint = _nobody(asked.path, asked.query)
    else:
        hint = "" if here else _THERE
    return HostError(f"libvirt does not answer at {shown}: {said}", hint=hint)


def _is_no_uri(uri: str, error: Any) -> bool:
    """Whether what was named can be none; of QEMU's also where nobody has looked at its path yet."""
    libvirt, asked = binding(), urlsplit(uri)
    if asked.scheme.partition("+")[0] == "qemu":
        other = asked.path not in ("/system", "/session", "/embed")
        return other or error.get_error_code() == libvirt.VIR_ERR_INVALID_ARG
    return bool(uri) and error.get_error_code() in (libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_ERR_INVALID_ARG)


def _is_polkits(error: Any) -> bool:
    """Whether polkit said no, or could not be asked: then D-Bus' error is libvirt's."""
    libvirt = binding()
    return error.get_error_domain() == libvirt.VIR_FROM_DBUS or error.get_error_code() in (
        libvirt.VIR_ERR_AUTH_FAILED,
        libvirt.VIR_ERR_AUTH_CANCELLED,
        libvirt.VIR_ERR_AUTH_UNAVAILABLE,
        libvirt.VIR_ERR_ACCESS_DENIED,
    )


def _nobody(path: str, query: str) -> str:
    """What to do where nobody listens; of units only those are named that are installed here."""
    if "socket=" in query:
        return _ELSEWHERE
    if path == "/session" and os.geteuid() != 0:  # root's own is the system's
        return _SESSION
    there = [unit for unit in _UNITS if any(Path(folder, unit).exists() for folder in _FOLDERS)]
    enabled = [unit for unit in there if Path(_ENABLED, unit).is_symlink()]
    if not there:
        return "no unit of libvirt's is installed here (Debian: libvirt-daemon-system)"
    return f"start it: `systemctl start {' '.join((enabled or there)[:1])}`"
