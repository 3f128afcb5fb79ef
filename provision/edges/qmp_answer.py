"""An answer of QEMU's monitor or of a guest agent, whoever brings it: its value, or that it is an error."""

from __future__ import annotations

from provision.runtime.errors import RefusedError, UnreadableError
from provision.runtime.safe_text import short
from provision.runtime.untrusted import MOST_VALUES, read_json

_WORDS = 300
"""Characters of what is said that are handed on in an error."""


def return_value(text: str | bytes, who: str, command: str, most: int = MOST_VALUES) -> object:
    """The `return` value of an answer of at most so many values, whoever wrote that.

    :raise RefusedError: when it is an error.
    :raise UnreadableError: when it is neither.
    """
    what = f"{who}'s answer to {command}"
    shown = text if isinstance(text, str) else text[:_WORDS].decode("utf-8", "replace")
    try:
        answer = read_json(text, most)
    except ValueError as error:
        raise UnreadableError(f"{what} ({short(str(error), 100)})", shown, hint="") from error
    if not isinstance(answer, dict) or not ({"return", "error"} & answer.keys()):
        raise UnreadableError(what, shown, hint="")
    if "error" not in answer:
        return answer["return"]
    why = answer["error"]
    if not isinstance(why, dict):
        raise UnreadableError(what, shown, hint="")
    kind, words = (str(why.get(key, ""))[: _WORDS + 1] for key in ("class", "desc"))
    raise RefusedError(f"{who} refused {command}: {short(words, _WORDS)}", kind)
