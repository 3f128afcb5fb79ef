"""JSON as iproute2 and ethtool print it: their writer escapes apostrophes, which JSON does not know."""

from __future__ import annotations

import re
from typing import Any

from provision.runtime.untrusted import read_json

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def parse_json(text: str, **options: Any) -> Any:
    r"""The document; `\'` is an apostrophe.

    :raise ValueError: when it is no JSON otherwise.
    """
    if r"\'" in text:
        text = _ESCAPE.sub(lambda found: "'" if found[1] == "'" else found[0], text)
    return read_json(text, **options)
