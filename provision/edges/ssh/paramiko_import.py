"""Loads paramiko without invoke, which it imports at once and uses for `Match exec` in its own reading of ssh_config.

`ssh -G` reads that for us. invoke takes as long to load as the rest of paramiko, which does without where it is missing.
"""

from __future__ import annotations

import sys

_WITHHELD = "invoke"

if _WITHHELD in sys.modules:
    import paramiko
else:
    sys.modules[_WITHHELD] = None  # type: ignore[assignment] # Python's own way to say that there is none
    try:
        import paramiko  # noqa: F401
    finally:
        del sys.modules[_WITHHELD]
