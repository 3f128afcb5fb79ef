"""Loads paramiko without invoke, which takes as long to load as the rest and is not needed.

paramiko imports invoke at once, and uses it for `Match exec` in its own reading of ssh_config, which `ssh -G` does for us;
it does without where invoke is missing.
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
