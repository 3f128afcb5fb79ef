"""What libvirt has found out about this machine's QEMUs, told to each further host of namespaces.

libvirtd asks every QEMU that it finds what that can do, which is most of what its start takes, and keeps the answers for
the next one. It sees by itself whether they still hold: QEMU, its own version, the kernel and KVM are noted in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ANSWERS = "/var/cache/libvirt/qemu/capabilities"
_found: dict[str, bytes] = {}


@contextmanager
def shared(answers: Path) -> Iterator[None]:
    """A start of libvirtd, whose folder this is: what is known is put into it at the first, and afterwards what is in it is known."""
    if not answers.exists():
        answers.mkdir(parents=True)
        for name, content in _found.items():
            (answers / name).write_bytes(content)
    yield
    _found.update({path.name: path.read_bytes() for path in answers.glob("*.xml")})
