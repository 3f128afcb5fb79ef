"""The Jinja2 templates and other texts that ship with the package."""

from __future__ import annotations

import shlex
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from provision.runtime.powershell import literal

if TYPE_CHECKING:
    from jinja2 import Template


def shipped_text(name: str) -> str:
    """The text of a file of `templates/`."""
    return (files("provision") / "templates" / name).read_text("utf-8")


@cache
def template(name: str, *, escape: bool, trim: bool) -> Template:
    """A template of `templates/`, where what is undefined is an error.

    :param escape: for XML and HTML; in argv and scripts the filters `value`, `sh` and `ps` quote.
    :param trim: whether a line with nothing but a block leaves no line behind.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined  # noqa: PLC0415 - --help stays fast

    from provision.runtime.compiled_templates import CompiledTemplates  # noqa: PLC0415

    environment = Environment(
        loader=FunctionLoader(shipped_text),
        autoescape=escape,  # noqa: S701 - argv and scripts have filters of their own
        undefined=StrictUndefined,
        trim_blocks=trim,
        lstrip_blocks=trim,
        keep_trailing_newline=True,
        bytecode_cache=CompiledTemplates(),
    )
    environment.filters["switch"] = lambda on: "on" if on else "off"
    environment.filters["value"] = lambda text: str(text).replace(",", ",,")
    environment.filters["sh"] = lambda words: shlex.join([words] if isinstance(words, str) else words)
    environment.filters["ps"] = literal
    return environment.get_template(name)
