"""Keys of a lab file in the making, and why one does not take a value. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from provision.lab.spec import MachineKeys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from provision.lab.model import Model

_VARIABLE = re.compile(r"\$\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class Keys:
    """A mapping of a lab file, in the making."""

    keys: Mapping[str, Any] = field(default_factory=dict)
    comments: Mapping[str, str] = field(default_factory=dict)
    """By key."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why something is not carried over, by its path in the domain."""

    def __or__(self, other: Keys) -> Keys:
        """Both; the other's wins."""
        return Keys(
            {**self.keys, **other.keys},
            {**self.comments, **other.comments},
            {**self.reasons, **other.reasons},
        )


def refusal(model: type[Model], **keys: Any) -> str:
    """Why a lab file's model does not take these values; empty where it does."""
    for value in keys.values():
        if isinstance(value, str) and _VARIABLE.search(value):
            return "a lab file would take ${…} in it from the environment"
    needed = {"guest": "linux", "memory": "1GiB"} if issubclass(model, MachineKeys) else {}
    try:
        model.model_validate(needed | keys)
    except ValidationError as error:
        return str(error.errors(include_url=False)[0]["msg"])
    return ""


def path_refusal(model: type[Model], **keys: Any) -> str:
    """As `refusal`, for a path: a lab file takes one that is not absolute from its own directory."""
    if any(not str(value).startswith("/") for value in keys.values()):
        return "it is not an absolute path"
    return refusal(model, **keys)


def key_or_reason(model: type[Model], key: str, value: Any, path: str, comment: str = "") -> Keys:
    """A key with its value, or the reason why it is left out."""
    reason = refusal(model, **{key: value})
    return Keys(reasons={path: reason}) if reason else Keys({key: value}, {key: comment} if comment else {})
