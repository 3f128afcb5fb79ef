"""The templates that are shipped."""

from __future__ import annotations

import shlex
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def _environment(*, xml: bool) -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined  # noqa: PLC0415 - --help stays fast

    environment = Environment(
        loader=FunctionLoader(lambda name: (files("provision") / "templates" / name).read_text("utf-8")),
        autoescape=xml,  # noqa: S701 - argv and scripts have filters of their own, `value` and `sh`
        undefined=StrictUndefined,
        trim_blocks=not xml,
        lstrip_blocks=not xml,
        keep_trailing_newline=True,
    )
    environment.filters["switch"] = lambda on: "on" if on else "off"
    environment.filters["value"] = lambda text: str(text).replace(",", ",,")
    environment.filters["sh"] = lambda words: shlex.join([words] if isinstance(words, str) else words)
    return environment
