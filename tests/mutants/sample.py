"""A seeded sample of mutants: one change each to what a line decides, none to texts, types and annotations."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from dataclasses import dataclass
from difflib import unified_diff
from itertools import islice
from random import Random
from typing import TYPE_CHECKING

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGES = (
    "provision/facts",
    "provision/lab",
    "provision/render",
    "provision/host/plan",
    "provision/verify/judge",
)
# Of cosmic-ray's operators those whose mutants are no mere TypeError: `==` is not `<` for most of what we compare.
_OPERATORS = re.compile(
    r"core/(AddNot|ExceptionReplacer|NumberReplacer|ZeroIterationForLoop|Replace(And|Or|True|False|Break|Continue)With\w+"
    r"|ReplaceUnaryOperator_Delete_\w+|ReplaceComparisonOperator_(Eq_NotEq|NotEq_Eq|Is_IsNot|IsNot_Is|[LG]tE?_[LG]tE?)"
    r"|ReplaceBinaryOperator_(Add_Sub|Sub_Add|Mul_FloorDiv|Div_Mul|FloorDiv_Mul|Mod_Mul|BitOr_BitAnd|BitAnd_BitOr"
    r"|BitXor_BitOr|LShift_RShift|RShift_LShift))"
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A file of the product with one change."""

    path: str
    line: int
    before: str
    after: str

    @property
    def package(self) -> str:
        """Which of those looked at it is in."""
        return next(name for name in PACKAGES if self.path.startswith(f"{name}/"))

    @property
    def diff(self) -> str:
        """What was changed, without what is around it."""
        changes = unified_diff(self.before.splitlines(), self.after.splitlines(), lineterm="", n=0)
        return "\n".join(line for line in changes if line[0] in "+-" and line[:3] not in ("+++", "---"))


def _left_alone(tree: ast.Module) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """From where to where annotations, f-strings, @dataclass(…) and what only a type checker reads stand."""
    for node in ast.walk(tree):
        match node:
            case ast.arg(annotation=ast.expr() as found) | ast.AnnAssign(annotation=found):
                pass
            case ast.FunctionDef(returns=ast.expr() as found):
                pass
            case (
                ast.JoinedStr()
                | ast.If(test=ast.Name("TYPE_CHECKING"))
                | ast.Call(ast.Name("dataclass")) as found
            ):
                pass
            case _:
                continue
        yield (found.lineno, found.col_offset), (found.end_lineno or 0, found.end_col_offset or 0)


def _spots(source: str) -> dict[tuple[int, int], list[tuple[str, int]]]:
    """Where something can be changed: by which operator, as its which occurrence."""
    spots = defaultdict(list)
    alone, nodes = list(_left_alone(ast.parse(source))), list(ast_nodes(get_ast(source)))
    for name in filter(_OPERATORS.fullmatch, sorted(operator_names())):
        operator = get_operator(name)()
        starts = [start for node in nodes for start, _ in operator.mutation_positions(node)]
        for occurrence, start in enumerate(starts):
            if not any(first <= start < last for first, last in alone):
                spots[start].append((name, occurrence))
    return spots


def _changed(source: str, operator: str, occurrence: int) -> str:
    """The file with one change; "" where that is none, or no Python."""
    try:
        changed: str = mutate_code(source, get_operator(operator)(), occurrence)
        ast.parse(changed)
    except (SyntaxError, AttributeError):  # `*` between parameters; an exception's name with a dot in it
        return ""
    return changed


def mutants(root: Path, seed: int, size: int) -> list[Mutant]:
    """Each spot is as likely as any other, is changed in one of its ways, and is drawn again where its line is as it was."""
    files = {path: path.read_text() for name in PACKAGES for path in sorted((root / name).rglob("*.py"))}
    spots = []
    for path, text in files.items():
        lines = text.splitlines()
        for (line, column), ways in _spots(text).items():
            name = str(path.relative_to(root))
            random = Random(f"{seed} {name} {column} {lines[line - 1]}")  # noqa: S311 - to be drawn again
            spots.append((random.random(), name, line, text, random.choice(ways)))
    changed = (
        Mutant(name, line, text, after)
        for _, name, line, text, way in sorted(spots)
        if (after := _changed(text, *way))
    )
    return list(islice(changed, size))
