"""Tells what only whoever asks lacks, who is not root, from what a host lacks. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provision.host.state import HostState


class Right(str):
    """A sentence about what stands in the way of whoever asks, and not, or not as far as is known, in root's."""

    __slots__ = ()


def unless_root(state: HostState, sentence: str) -> str:
    """The sentence, which is about a right where it is not root who asks."""
    return sentence if state.access.root else Right(sentence)
