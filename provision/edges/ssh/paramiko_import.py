"""Loads paramiko without invoke, which takes as long to load as the rest and is not needed.

paramiko imports invoke at once, and uses it for `Match exec` in its own reading of ssh_config, which `ssh -G` does for us;
it does without where invoke is missing.
"""

from __future__ import annotations

import importlib
import sys

_WITHHELD = "invoke"


def load_paramiko() -> None:
    """Load paramiko, where that has not been done."""
    if _WITHHELD in sys.modules:
        importlib.import_module("paramiko")
        return
    sys.modules[_WITHHELD] = None  # type: ignore[assignment] # Python's own way to say that there is none
    try:
        importlib.import_module("paramiko")
    finally:
        del sys.modules[_WITHHELD]
