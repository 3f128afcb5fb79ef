"""YAML to spec, or every fault with its line.

Three passes, so that one fault does not hide another: YAML to data, data to models (what is wrong is
noted and taken out until the rest can be read), and the checks between values on whatever was read.
"""

from __future__ import annotations

import difflib
import posixpath
import reprlib
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from provision import spec
from provision.checks import Complaint, complaints
from provision.errors import Fault, LabFileError
from provision.names import named_machines
from provision.positions import Positions, Where, read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

_ROUNDS = 20

# What stands in for a required value that was missing or wrong, so that the rest can still be checked.
_STAND_INS: dict[str, Any] = {
    "version": 1,
    "guest": "linux",
    "memory": "1GiB",
    "image": "/stand-in",
    "code": "/stand-in",
    "vars": "/stand-in",
    "topology": "dut-only",
    "address": "stand-in",
    "user": "stand-in",
    "password_env": "stand-in",
    "nics": {},
    "disks": {"image": "/stand-in"},
    "cdroms": "/stand-in",
    "ask": "agent",
}

_KEYS = sorted(
    {
        key
        for model in vars(spec).values()
        if isinstance(model, type) and issubclass(model, BaseModel)
        for key in model.model_fields
    }
)


def _shown(value: object) -> str:
    return reprlib.repr(value) if not isinstance(value, bool) else str(value).lower()


def _or(words: str) -> str:
    return words.replace("'", "")


_WORDS = {
    "missing": "is required",
    "greater_than_equal": "must be at least {ge}, not {input}",
    "less_than_equal": "must be at most {le}, not {input}",
    "literal_error": "must be {expected}, not {input}",
    "int_type": "must be a whole number, not {input}",
    "int_from_float": "must be a whole number, not {input}",
    "int_parsing": "must be a whole number, not {input}",
    "string_type": "must be text, not {input}",
    "dict_type": "must be a mapping, not {input}",
    "model_type": "must be a mapping, not {input}",
    "model_attributes_type": "must be a mapping, not {input}",
    "tuple_type": "must be a list, not {input}",
    "string_pattern_mismatch": "has characters that cannot be there: {input}",
}


def _message(error: ErrorDetails) -> str:
    kind, context = error["type"], dict(error.get("ctx", {}))
    if kind == "extra_forbidden":
        key = str(error["loc"][-1])
        near = difflib.get_close_matches(key, _KEYS, n=1)
        return "is no key here" + (f"; did you mean `{near[0]}`?" if near and near[0] != key else "")
    if kind not in _WORDS:
        return error["msg"]
    context["expected"] = _or(str(context.get("expected", "")))
    return _WORDS[kind].format(input=_shown(error["input"]), **context)


def _take_out(data: Any, where: Where) -> None:
    """Remove the value at a place, or put a stand-in there so that indices stay what they are."""
    *parents, last = where
    for part in parents:
        data = data[part]
    if isinstance(data, list):
        data[int(last)] = _STAND_INS.get(str(parents[-1]) if parents else "", "stand-in")
    elif last in _STAND_INS and last not in {"nics", "disks", "cdroms", "ask"}:
        data[last] = _STAND_INS[str(last)]
    else:
        data.pop(last, None)


def _validated(data: Any, positions: Positions) -> tuple[spec.LabFile | None, list[Fault], set[Where]]:
    """The models of what could be read, the faults, and the places that were taken out."""
    faults: list[Fault] = []
    taken: set[Where] = set()
    for round_ in range(_ROUNDS):
        try:
            return spec.LabFile.model_validate(data), faults, taken
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                missing = detail["type"] == "missing"
                at_key = missing or detail["type"] == "extra_forbidden" or detail["loc"][-1:] == ("[key]",)
                known = positions.known(detail["loc"])
                place = (*known, detail["loc"][-1]) if missing else known
                if round_ == 0:
                    faults.append(
                        positions.fault(place if missing else known, _message(detail), at_key=at_key)
                    )
                if not place:
                    return None, faults, taken
                if place not in taken:
                    taken.add(place)
                    _take_out(data, place)
    return None, faults, taken


def _about_what_was_taken(complaint: Complaint, taken: set[Where]) -> bool:
    """Whether a complaint rests on a value that is already said to be wrong."""
    rests_on = (complaint.where, *complaint.reads)
    return any(where[:end] in taken for where in rests_on for end in range(len(where) + 1))


def _absolute(path: str, directory: str) -> str:
    return posixpath.normpath(posixpath.join(directory, path))


def _rooted(machine: spec.Machine, directory: str) -> spec.Machine:
    """The machine with every path made absolute from the lab file's directory."""

    def rooted(model: Any, *keys: str) -> Any:
        paths = {key: getattr(model, key) for key in keys}
        return model.model_copy(
            update={key: path and _absolute(path, directory) for key, path in paths.items()}
        )

    firmware = machine.firmware
    return machine.model_copy(
        update={
            "disks": tuple(rooted(disk, "image") for disk in machine.disks),
            "cdroms": tuple(_absolute(path, directory) for path in machine.cdroms),
            "kernel": machine.kernel and rooted(machine.kernel, "image", "initrd"),
            "firmware": rooted(firmware, "code", "vars")
            if isinstance(firmware, spec.FirmwareFiles)
            else firmware,
        }
    )


def parse_lab(text: str, file: str, directory: str, environment: Mapping[str, str]) -> spec.Lab:
    """Read a lab file's text; `directory` is the absolute one that its local paths start from.

    :raise LabFileError: with every fault that could be read.
    """
    data, positions, faults = read_yaml(text, environment)
    if data is None:
        raise LabFileError(file, tuple(faults) or (Fault(1, 1, "", "is empty; it begins with `version: 1`"),))
    read, more, taken = _validated(data, positions)
    faults += more
    stem = PurePath(file).stem
    if read is not None:
        read = read.model_copy(update={"machines": named_machines(stem, read)})
        faults += [
            positions.fault(complaint.where, complaint.message)
            for complaint in complaints(stem, read)
            if not _about_what_was_taken(complaint, taken)
        ]
    if faults or read is None:
        raise LabFileError(file, tuple(sorted(set(faults))))
    machines = {
        name: _rooted(machine, directory) if machine.host == "local" else machine
        for name, machine in read.machines.items()
    }
    fields = {key: getattr(read, key) for key in spec.LabFile.model_fields}
    return spec.Lab.model_construct(
        **{**fields, "name": stem, "machines": machines, "state_dir": _absolute(read.state_dir, directory)}
    )
