"""Values in PowerShell's words."""

from __future__ import annotations

import re

_QUOTES = re.compile("['\u2018\u2019\u201a\u201b]")
"""All that PowerShell takes for a single quotation mark (its tokenizer's IsSingleQuote)."""

_SPECIAL = re.compile(r"[`*?\[\]]")
"""What means something in a pattern (about_Wildcards)."""


def literal(text: str) -> str:
    """A text as a single-quoted literal, in which nothing but the quotation marks means anything.

    A NUL, which is in no name of Windows', becomes U+FFFD: what reads PowerShell may take it for the end.
    """
    text = text.replace("\0", "\ufffd")
    return f"'{_QUOTES.sub(lambda mark: mark[0] * 2, text)}'"


def pattern(text: str) -> str:
    """A text as a literal for parameters that take patterns, such as -Name of most cmdlets: it matches itself alone."""
    return literal(_SPECIAL.sub(lambda found: f"`{found[0]}", text))
