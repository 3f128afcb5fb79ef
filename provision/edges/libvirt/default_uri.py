"""Which libvirt is meant where none is named: libvirt's own choice."""

from __future__ import annotations

import os

from provision.edges.libvirt.monitor import binding, within
from provision.edges.libvirt.refusals import refused
from provision.runtime.errors import DeadlineError

_PATIENCE = 30.0
_NOWHERE = "libvirt's default"


def default_uri() -> str:
    """LIBVIRT_DEFAULT_URI, else what libvirt opens that is told nothing: `uri_default` of its configuration, or what it finds.

    :raise RscvmError: when it opens nothing; then which it would be is not known either.
    """
    if named := os.environ.get("LIBVIRT_DEFAULT_URI", ""):
        return named
    libvirt = binding()
    try:
        return within(_PATIENCE, _opened)
    except libvirt.libvirtError as error:
        raise refused("", _NOWHERE, error) from error
    except TimeoutError as error:
        raise DeadlineError(
            f"{_NOWHERE} does not answer: nothing within {_PATIENCE:g} s",
            hint="name a libvirt by --connect",
            whole=False,
        ) from error


def _opened() -> str:
    connection = binding().openReadOnly(None)  # for which nobody is asked for a password
    try:
        return str(connection.getURI())
    finally:
        connection.close()
