"""Completion in bash, which cuts words at `:`, `=` and `@`: they are made whole again, and answered in pieces."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from click.shell_completion import BashComplete, CompletionItem, split_arg_string

if TYPE_CHECKING:
    from collections.abc import Iterable

_CUTS = ":=@"
"""Of what COMP_WORDBREAKS has by default what stands in our words."""


def whole_words(pieces: Iterable[str]) -> list[str]:
    """The words as they were typed: nothing but a cut is a word of its own for bash, and for nobody else."""
    words: list[str] = []
    joins = False
    for piece in pieces:
        cuts = bool(piece) and not piece.strip(_CUTS)
        if words and (cuts or joins):
            words[-1] += piece
        else:
            words.append(piece)
        joins = cuts
    return words


class BashWords(BashComplete):
    """click's completion for bash, of whole words."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one that is completed, and that."""
        at = int(os.environ["COMP_CWORD"])
        pieces = split_arg_string(os.environ["COMP_WORDS"])[: at + 1]
        *before, begun = whole_words([*pieces, *([""] if len(pieces) <= at else [])])
        return before[1:], begun

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[Any]]:
        """What bash may put in place of the last piece."""
        value = incomplete.partition("=")[2] if incomplete.startswith("-") else incomplete
        there = 1 + max(value.rfind(cut) for cut in _CUTS)
        return [
            CompletionItem(item.value[there:], item.type, item.help)
            for item in super().get_completions(args, incomplete)
        ]
