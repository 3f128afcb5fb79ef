"""YAML text to plain data that remembers where each value stood.

Only what a lab file needs of YAML: mappings with text keys, sequences, scalars of YAML 1.2, anchors
and merge keys. `${NAME}` in a text value is taken from the environment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from provision.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Where = tuple[str | int, ...]

_MOST_VALUES = 2_000_000
_DEEPEST = 50
_INT = re.compile(r"[-+]?(0|[1-9][0-9_]*)|0x[0-9A-Fa-f]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\d+\.\d*|\.\d+|\d+)([eE][-+]?\d+)?")
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_CONSTANTS = {"null": None, "~": None, "": None, "true": True, "false": False}


def spelled(where: Where) -> str:
    """A place as users write it: `machines.win2022.nics[0].queues`."""
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


@dataclass
class Positions:
    """Line and column, from 1, of every value and every key."""

    values: dict[Where, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Where, tuple[int, int]] = field(default_factory=dict)

    def known(self, where: Where) -> Where:
        """The place without the parts that pydantic adds for itself and the file does not have."""
        found: Where = ()
        for part in where:
            if (*found, part) in self.values:
                found = (*found, part)
        return found

    def fault(self, where: Where, message: str, *, at_key: bool = False) -> Fault:
        """A fault at a value or its key; what is missing is said of the mapping that misses it."""
        known = self.known(where)
        line, column = (self.keys if at_key else self.values).get(known) or self.values.get(known, (1, 1))
        return Fault(line, column, spelled(where), message)


class _Reader:
    """Turns one document's nodes into data; collects faults instead of raising them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.positions = Positions()
        self.faults: list[Fault] = []
        self._left = _MOST_VALUES
        self._depth = 0

    def read(self, node: Node, where: Where) -> Any:
        self.positions.values[where] = _place(node)
        self._left -= 1
        if self._left < 0 or self._depth > _DEEPEST:
            if self._left >= -1:
                self._fault(node, where, "is nested or repeated beyond any measure")
                self._left = -1
            return None
        if isinstance(node, MappingNode):
            return self._mapping(node, where)
        if isinstance(node, SequenceNode):
            self._depth += 1
            data = [self.read(item, (*where, index)) for index, item in enumerate(node.value)]
            self._depth -= 1
            return data
        return self._scalar(node, where)

    def _fault(self, node: Node, where: Where, message: str) -> None:
        self.faults.append(Fault(*_place(node), spelled(where), message))

    def _mapping(self, node: MappingNode, where: Where) -> dict[str, Any]:
        self._depth += 1
        data = self._merged(node, where)
        own: set[str] = set()
        for key, value in node.value:
            if _is_merge(key):
                continue
            if not isinstance(key, ScalarNode):
                self._fault(key, where, "a key must be text")
                continue
            inner = (*where, key.value)
            if key.value in own:
                self._fault(
                    key, inner, f"is there twice; the first is in line {self.positions.keys[inner][0]}"
                )
                continue
            own.add(key.value)
            self.positions.keys[inner] = _place(key)
            data[key.value] = self.read(value, inner)
        self._depth -= 1
        return data

    def _merged(self, node: MappingNode, where: Where) -> dict[str, Any]:
        """What `<<` brings; earlier sources win, and the mapping's own keys are laid over it."""
        data: dict[str, Any] = {}
        for value in [value for key, value in node.value if _is_merge(key)]:
            for source in reversed(value.value if isinstance(value, SequenceNode) else [value]):
                if not isinstance(source, MappingNode) or self._depth > _DEEPEST:
                    self._fault(source, where, "`<<` takes a mapping, or a list of them")
                else:
                    data.update(self._mapping(source, where))
        return data

    def _scalar(self, node: Node, where: Where) -> Any:
        text = str(node.value)
        if (
            isinstance(node, ScalarNode) and node.style is None
        ):  # plain: YAML 1.2's core types; `on` is text there, and a switch to the models
            return self._plain(text, node, where)
        return self._substituted(text, node, where)

    def _plain(self, text: str, node: Node, where: Where) -> Any:
        if text.lower() in _CONSTANTS and text in {text.lower(), text.capitalize(), text.upper()}:
            return _CONSTANTS[text.lower()]
        if _INT.fullmatch(text) and len(text) < 40:
            return int(text, 0)
        if _FLOAT.fullmatch(text):
            return float(text)
        return self._substituted(text, node, where)

    def _substituted(self, text: str, node: Node, where: Where) -> str:
        def value(match: re.Match[str]) -> str:
            if match[1] not in self.environment:
                self._fault(node, where, f"${{{match[1]}}} is not set in the environment")
            return self.environment.get(match[1], "")

        return _VARIABLE.sub(value, text)


def _is_merge(key: Node) -> bool:
    return isinstance(key, ScalarNode) and key.value == "<<" and key.style is None


def _place(node: Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _syntax_fault(error: YAMLError) -> Fault:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", None) or error).strip().splitlines()
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return Fault(line, column, "", f"is not YAML: {problem[0] if problem else 'unreadable'}")


def _documents(text: str) -> Iterator[Node]:
    yield from YAML(typ="safe", pure=True).compose_all(text)


def read_yaml(text: str, environment: Mapping[str, str]) -> tuple[Any, Positions, list[Fault]]:
    """Return data, positions and faults; data is None where the text could not be read at all."""
    reader = _Reader(environment)
    try:
        documents = list(_documents(text))
    except MarkedYAMLError as error:
        return None, reader.positions, [_syntax_fault(error)]
    except (YAMLError, ValueError, RecursionError) as error:
        return None, reader.positions, [Fault(1, 1, "", f"is not YAML: {error}".splitlines()[0])]
    if len(documents) != 1 or documents[0] is None:
        return None, reader.positions, [Fault(1, 1, "", "must be one YAML document, a mapping")]
    return reader.read(documents[0], ()), reader.positions, reader.faults
