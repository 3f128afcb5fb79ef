"""YAML text to plain data that remembers where each value stood.

Only what a lab file needs of YAML: mappings with text keys, sequences, scalars of YAML 1.2, anchors
and merge keys. `${NAME}` in a text value is taken from the environment.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, simplefilter

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from provision.lab.positions import Place, Positions, Where, spelled
from provision.runtime.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_VALUES = 200_000
"""About twelve thousand machines; past that it is a bomb of aliases."""
_MOST_PARTS = 100_000
"""Lines and commas; 2,500 machines have half as many."""
_DEEPEST = 50
_LONGEST_INT = 1000
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)|0x[0-9A-Fa-f]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\d+\.\d*|\.\d+)([eE][-+]?\d+)?|[-+]?\d+[eE][-+]?\d+")
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_CONSTANTS = {
    spelling: value
    for word, value in (("null", None), ("true", True), ("false", False))
    for spelling in (word, word.capitalize(), word.upper())
} | {"~": None, "": None}
_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("str", "int", "float", "bool", "null", "map", "seq", "merge", "timestamp", "value")
)


class _BeyondMeasureError(Exception):
    """The document is nested or repeated so far that reading on would never end."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault


class _Reader:
    """Turns one document's nodes into data; collects faults instead of raising them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.positions = Positions()
        self.faults: list[Fault] = []
        self._left = _MOST_VALUES

    def read(self, node: Node, where: Where, depth: int = 0, place: Place | None = None) -> Any:
        """The node's data; `place` is where it is said to stand, if not where it begins."""
        self._count(node, where, depth)
        self.positions.values[where] = place or _place(node)
        if str(node.tag) not in _TAGS:
            self._broken(node, where, f"must not have a tag: {node.tag}")
        if isinstance(node, MappingNode):
            return self._mapping(node, where, depth + 1)
        if isinstance(node, SequenceNode):
            return [self.read(item, (*where, index), depth + 1) for index, item in enumerate(node.value)]
        return self._scalar(node, where)

    def _count(self, node: Node, where: Where, depth: int) -> None:
        self._left -= 1
        if self._left < 0 or depth > _DEEPEST:
            raise _BeyondMeasureError(
                Fault(*_place(node), spelled(where[:8]), "is nested or repeated beyond any measure")
            )

    def _fault(self, node: Node, where: Where, message: str) -> None:
        self.faults.append(Fault(*_place(node), spelled(where), message))

    def _broken(self, node: Node, where: Where, message: str) -> None:
        """A fault of a value: whatever else would be said of it rests on nothing."""
        self._fault(node, where, message)
        self.positions.broken.add(where)

    def _mapping(self, node: MappingNode, where: Where, depth: int) -> dict[str, Any]:
        data = self._merged(node, where, depth)
        own: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self._fault(key, where, "a key must be text")
                continue
            inner = (*where, key.value)
            if key.value in own:
                first = (
                    f"; the first is in line {self.positions.keys[inner][0]}"
                    if inner in self.positions.keys
                    else ""
                )
                self._fault(key, inner, f"is there twice{first}")
                continue
            own.add(key.value)
            if _is_merge(key):
                continue
            if key.value in data:
                self.positions.forget(inner, data[key.value])
            self.positions.keys[inner] = _place(key)
            empty = isinstance(value, ScalarNode) and value.value == "" and value.style is None
            data[key.value] = self.read(value, inner, depth, _place(key) if empty else None)
        return data

    def _merged(self, node: MappingNode, where: Where, depth: int) -> dict[str, Any]:
        """What `<<` brings; earlier sources win, and the mapping's own keys are laid over it."""
        data: dict[str, Any] = {}
        for value in [value for key, value in node.value if _is_merge(key)][:1]:
            for source in reversed(value.value if isinstance(value, SequenceNode) else [value]):
                self._count(source, where, depth)
                if not isinstance(source, MappingNode):
                    self._fault(source, where, "`<<` takes a mapping, or a list of them")
                    continue
                read = self._mapping(source, where, depth + 1)
                data = {**data, **read}
        return data

    def _scalar(self, node: Node, where: Where) -> Any:
        """Plain text by YAML 1.2's core types, where `on` is text, which switches take; quoted text is text."""
        text = str(node.value)
        plain = isinstance(node, ScalarNode) and node.style is None
        if plain and text in _CONSTANTS:
            return _CONSTANTS[text]
        if plain and _INT.fullmatch(text) and len(text) < _LONGEST_INT:
            return int(text, 0)
        if plain and _FLOAT.fullmatch(text):
            return float(text)
        return self._substituted(text, node, where)

    def _substituted(self, text: str, node: Node, where: Where) -> str:
        def value(match: re.Match[str]) -> str:
            if match[1] not in self.environment:
                self._broken(node, where, f"${{{match[1]}}} is not set in the environment")
            return self.environment.get(match[1], "")

        return _VARIABLE.sub(value, text)


def _is_merge(key: Node) -> bool:
    return isinstance(key, ScalarNode) and key.value == "<<" and key.style is None


def _place(node: Node) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _syntax_fault(error: Exception, text: str) -> Fault:
    if isinstance(error, RecursionError):
        return Fault(1, 1, "", "is nested beyond any measure")
    if isinstance(error, ReaderError):
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        return Fault(
            line, column, "", f"is not YAML: the character {text[error.position]!r} must not be there"
        )
    mark = (error.problem_mark or error.context_mark) if isinstance(error, MarkedYAMLError) else None
    problem = str(getattr(error, "problem", None) or error).strip().splitlines()
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return Fault(line, column, "", f"is not YAML: {problem[0] if problem else 'unreadable'}")


def read_yaml(text: str, environment: Mapping[str, str]) -> tuple[Any, Positions, list[Fault]]:
    """Return data, positions and faults; data is None where the text could not be read at all."""
    reader = _Reader(environment)
    if text.count("\n") + text.count(",") > _MOST_PARTS:
        return None, reader.positions, [Fault(1, 1, "", f"has more than {_MOST_PARTS} lines and commas")]
    try:
        with catch_warnings():
            simplefilter(
                "ignore", ReusedAnchorWarning
            )  # YAML 1.2 lets a name be given anew (section 3.2.2.2)
            documents = list(YAML(typ="safe", pure=True).compose_all(text))
    except (YAMLError, ValueError, RecursionError) as error:
        return None, reader.positions, [_syntax_fault(error, text)]
    if not [document for document in documents if document is not None]:
        return None, reader.positions, [Fault(1, 1, "", "is empty; it begins with `version: 1`")]
    if len(documents) != 1:
        return None, reader.positions, [Fault(1, 1, "", "must be one YAML document, a mapping")]
    try:
        return reader.read(documents[0], ()), reader.positions, reader.faults
    except _BeyondMeasureError as error:
        return None, reader.positions, [error.fault]
