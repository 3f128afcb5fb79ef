"""Windows on KVM that receives at full speed: make RSC-ready VMs, and tell which layer breaks RSC."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provision.api import (
        HostError,
        Lab,
        LabFileError,
        NicVerdict,
        RequestError,
        RscvmError,
        check_domains,
        document,
        load_lab,
        render_argv,
        render_domain,
    )

__all__ = [
    "HostError",
    "Lab",
    "LabFileError",
    "NicVerdict",
    "RequestError",
    "RscvmError",
    "check_domains",
    "document",
    "load_lab",
    "render_argv",
    "render_domain",
]


def __getattr__(name: str) -> object:
    """What is imported from here, once it is asked for: the command line shall not wait for it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import provision.api  # noqa: PLC0415

    return getattr(provision.api, name)
