"""`python -m provision` and the `rscvm` command; an interruption while Python still imports is none of Python's to tell."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Entry point."""
    try:
        from provision.cli import main as rscvm  # noqa: PLC0415 - what takes time is interrupted without a traceback

        rscvm()
    except KeyboardInterrupt:
        os.write(2, b"rscvm: interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
