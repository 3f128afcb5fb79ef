"""Entry point of `python -m provision` and of the `rscvm` command.

An interruption while Python still imports ends here, too, without a traceback.
"""

from __future__ import annotations

import gc
import os
import sys

_OBJECTS = 100_000
"""What is imported and read stays, and Python would look through it for garbage a hundred times."""

_INTERRUPTED = b'{"schema": "rscvm/error/1", "message": "interrupted", "hint": "", "exit": 130}\n'


def _open_streams() -> None:
    """Put /dev/null where a standard stream was closed: else the next socket or file would be taken for it."""
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(opened, True)
    os.close(opened)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))


def main() -> None:
    """Entry point."""
    _open_streams()
    gc.set_threshold(_OBJECTS, 20, 20)
    try:
        from provision.cli import main as rscvm  # noqa: PLC0415 - what takes time is interrupted without a traceback

        rscvm()
    except KeyboardInterrupt:
        os.write(2, b"rscvm: interrupted\n")
        if "--json" in sys.argv and "provision.cli" not in sys.modules:  # so nothing has been printed
            os.write(1, _INTERRUPTED)
        sys.exit(130)


if __name__ == "__main__":
    main()
