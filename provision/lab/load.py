"""YAML to a lab, or every fault of the file with its line; YAML's own faults are `yaml_reader`'s.

Three passes, so that one fault does not hide another: YAML to data, data to models (what is wrong is
noted and taken out until the rest can be read), and the checks between values on whatever was read.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from provision.lab import ask as asking
from provision.lab import spec
from provision.lab.checks.machines import complaints
from provision.lab.expand import expand_labs
from provision.lab.scalars import shown
from provision.lab.yaml_reader import read_yaml
from provision.runtime.errors import Fault, LabFileError
from provision.tables.topology import ROLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

    from provision.lab.checks.complaint import Complaint
    from provision.lab.positions import Positions, Where

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
        for model in (*vars(spec).values(), *vars(asking).values())
        if isinstance(model, type) and issubclass(model, BaseModel)
        for key in model.model_fields
    }
)


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
        import difflib  # noqa: PLC0415 - a file without faults does not wait for it

        key = str(error["loc"][-1])
        near = difflib.get_close_matches(key, _KEYS, n=1)
        return "is no key here" + (f"; did you mean `{near[0]}`?" if near and near[0] != key else "")
    if kind not in _WORDS:
        return error["msg"]
    context["expected"] = _or(str(context.get("expected", "")))
    return _WORDS[kind].format(input=shown(error["input"]), **context)


_LISTS = ("nics", "disks", "cdroms", "ask")


def _take_out(data: Any, where: Where, times: int) -> None:
    """Remove the value at a place, or put a stand-in there so that indices stay what they are.

    `times` counts how often this place was wrong before: a stand-in that is wrong too goes, then its parent.
    """
    if times > 1 and len(where) > 1:
        where = where[: 1 - times] or where[:1]
    *parents, last = where
    for part in parents:
        data = data[part]
    if isinstance(data, list) and times == 0:
        data[int(last)] = _STAND_INS.get(str(parents[-1]) if parents else "", "stand-in")
    elif isinstance(data, dict) and times == 0 and last in _STAND_INS and last not in _LISTS:
        data[last] = _STAND_INS[str(last)]
    elif isinstance(data, dict):
        data.pop(last, None)
    else:
        data[:] = []


def _validated(data: Any, positions: Positions) -> tuple[spec.LabFile | None, list[Fault], set[Where]]:
    """The models of what could be read, the faults, and the places that were taken out."""
    faults: list[Fault] = []
    taken: Counter[Where] = Counter(positions.broken)
    for round_ in range(_ROUNDS):
        try:
            return spec.LabFile.model_validate(data), faults, set(taken)
        except ValidationError as error:
            places: dict[Where, Fault] = {}
            for detail in error.errors(include_url=False):
                missing = detail["type"] == "missing"
                at_key = missing or detail["type"] == "extra_forbidden" or detail["loc"][-1:] == ("[key]",)
                known = positions.known(detail["loc"])
                place = (*known, detail["loc"][-1]) if missing else known
                places[place] = positions.fault(place, _message(detail), at_key=at_key)
            if round_ == 0:
                faults += [fault for place, fault in places.items() if place not in positions.broken]
            for place in sorted(places, key=len, reverse=True):
                if not place:
                    return None, faults, set(taken)
                with suppress(KeyError, IndexError, TypeError):  # gone with a parent of it
                    _take_out(data, place, taken[place] - (place in positions.broken))
                taken[place] += 1
    return None, faults, set(taken)


def _about_what_was_taken(complaint: Complaint, taken: set[Where]) -> bool:
    """Whether a complaint rests on a value that is already said to be wrong."""
    rests_on = (complaint.where, *complaint.rests_on)
    return any(where[:end] in taken for where in rests_on for end in range(len(where) + 1))


@dataclass(frozen=True, slots=True)
class _Root:
    """Where a lab file's local paths start."""

    directory: str
    home: str

    def absolute(self, path: str) -> str:
        """The path from the lab file's directory, or from home."""
        if self.home and (path == "~" or path.startswith("~/")):
            path = self.home + path[1:]
        return posixpath.normpath(posixpath.join(self.directory, path))

    def rooted(self, model: Any, *keys: str) -> Any:
        """The model with these paths made absolute."""
        paths = {key: getattr(model, key) for key in keys} if model is not None else {}
        return model and model.model_copy(
            update={key: path and self.absolute(path) for key, path in paths.items()}
        )

    def machine(self, machine: Any, *, local: bool) -> Any:
        """A machine's keys with every path of ours, and on `local` of its own, made absolute."""
        if machine is None:
            return None
        ask = tuple(
            way.model_copy(update={"ssh": self.rooted(way.ssh, "identity")})
            if isinstance(way, asking.AskBySsh)
            else way
            for way in machine.ask
        )
        if not local:
            return machine.model_copy(update={"ask": ask})
        firmware = machine.firmware
        if isinstance(firmware, spec.FirmwareFiles):
            firmware = self.rooted(firmware, "code", "vars")
        return machine.model_copy(
            update={
                "ask": ask,
                "disks": tuple(self.rooted(disk, "image", "block") for disk in machine.disks),
                "cdroms": tuple(map(self.absolute, machine.cdroms)),
                "kernel": self.rooted(machine.kernel, "image", "initrd"),
                "firmware": firmware,
            }
        )

    def lab(self, lab: spec.RoleLab) -> spec.RoleLab:
        """A test lab with its roles' paths made absolute."""
        roles = {role: self.machine(getattr(lab, role), local=lab.host == "local") for role in ROLES}
        return lab.model_copy(update=roles)


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
        whole = expand_labs(stem, read)
        faults += [
            positions.fault(complaint.where, complaint.message, at_key=complaint.at_key)
            for complaint in complaints(stem, read, whole)
            if not _about_what_was_taken(complaint, taken)
        ]
        read = whole
    if faults or read is None:
        raise LabFileError(file, tuple(sorted(set(faults))))
    root = _Root(directory, environment.get("HOME", ""))
    fields = {key: getattr(read, key) for key in spec.LabFile.model_fields}
    fields |= {
        "name": stem,
        "file": posixpath.join(directory, PurePath(file).name),
        "state_dir": root.absolute(read.state_dir),
        "hosts": {name: root.rooted(host, "identity", "known_hosts") for name, host in read.hosts.items()},
        "machines": {
            name: root.machine(machine, local=machine.host == "local")
            for name, machine in read.machines.items()
        },
        "labs": {name: root.lab(lab) for name, lab in read.labs.items()},
    }
    return spec.Lab.model_construct(**fields)
