"""Entry point of `python -m provision` and of the `rscvm` command.

An interruption while Python still imports ends here, too, without a traceback.
"""

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
