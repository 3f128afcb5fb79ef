"""PowerShell's grammar, for tests of what we render."""

from __future__ import annotations

from collections.abc import Iterator

import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

_PARSER = Parser(Language(tree_sitter_powershell.language()))


# The grammar (0.26.4) knows no digits in the name of a parameter.
_DIGITS = {" -IPv4": " -IPvD", " -IPv6": " -IPvF"}
_NAMES = {altered.strip(): name.strip() for name, altered in _DIGITS.items()}


def parsed(text: str) -> Node:
    for name, altered in _DIGITS.items():
        text = text.replace(name, altered)
    return _PARSER.parse(text.encode("utf-8")).root_node


def nodes(node: Node, *kinds: str) -> Iterator[Node]:
    """All below it, in the text's order; of these kinds, where some are named."""
    if not kinds or node.type in kinds:
        yield node
    for child in node.children:
        yield from nodes(child, *kinds)


def faults(node: Node) -> list[str]:
    """What the grammar does not know."""
    return [
        f"{each.start_point[0] + 1}: {words(each)[:80]}"
        for each in nodes(node)
        if each.is_error or each.is_missing
    ]


def words(node: Node) -> str:
    return (node.text or b"").decode("utf-8")


def commands(node: Node) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each command by its name, with its parameters' names."""
    for command in nodes(node, "command"):
        name = next((words(each) for each in command.children if each.type == "command_name"), "")
        elements = [each for each in command.children if each.type == "command_elements"]
        found = [
            each for element in elements for each in element.children if each.type == "command_parameter"
        ]
        yield name, tuple(_NAMES.get(words(each), words(each)).rstrip(":") for each in found)


def functions(node: Node) -> set[str]:
    return {words(each) for each in nodes(node, "function_name")}
