"""Reads a lab file from the disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from provision.runtime.errors import Fault, LabFileError, RequestError
from provision.runtime.near_names import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from provision.lab.spec import Lab

_LARGEST = 1 << 20
"""Bytes; 1,000 machines of many keys have 0.35 MiB, and 2,500 of them (0.85 MiB) take 5 s to read."""


def near_lab_file(path: Path) -> str:
    """A lab file beside it that may have been meant."""
    try:
        there = [each.name for each in path.parent.iterdir() if each.suffix in (".yaml", ".yml")]
    except OSError:
        return ""
    return did_you_mean(path.name, there).strip()


def read_lab(path: str, environment: Mapping[str, str] = os.environ) -> Lab:
    """The lab of a file.

    :raise LabFileError: with every fault of it.
    :raise RequestError: when the file cannot be read.
    """
    from provision.lab.load import parse_lab  # noqa: PLC0415 - takes longer to load than --help takes to print

    try:
        if not Path(path).exists():
            raise RequestError(f"there is no lab file {path}", hint=near_lab_file(Path(path)))
        if not Path(path).is_file():
            raise RequestError(f"cannot read the lab file {path}: it is no file")
        with Path(path).open("rb") as file:
            data = file.read(_LARGEST + 1)
            size = os.fstat(file.fileno()).st_size
        if len(data) > _LARGEST:
            raise RequestError(
                f"cannot read the lab file {path}: it has {size} bytes, and may have {_LARGEST} (1 MiB)"
            )
        text = data.decode("utf-8")
    except OSError as error:
        raise RequestError(f"cannot read the lab file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise LabFileError(path, (Fault(line, 1, "", "is not UTF-8"),)) from error
    return parse_lab(text, path, str(Path(path).parent.absolute()), environment)
