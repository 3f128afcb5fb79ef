"""`rscvm examples`: the lab files that ship with rscvm, listed, or one of them written out."""

from __future__ import annotations

from importlib.resources import files

import click

from provision.cli.output import Output
from provision.edges.files.write import write_new
from provision.runtime.errors import RequestError
from provision.runtime.safe_text import short

_SUFFIX = ".yaml"
_DEMO_GUEST = "../build/guest/"
"""Where an example has the guest that is built in a checkout alone."""


def example_names(begun: str = "") -> list[str]:
    """The examples by their names."""
    names = [file.name for file in (files("provision") / "examples").iterdir()]
    return sorted(
        name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX) and name.startswith(begun)
    )


@click.command(short_help="Lab files to begin with.")
@click.argument("name", required=False, shell_complete=lambda *given: example_names(given[-1]))
@click.option(
    "-o", "file", type=click.Path(dir_okay=False), help="Into this file, which must not be there yet."
)
@click.option("--json", "as_json", is_flag=True, help="Names and texts as JSON.")
@click.pass_obj
def examples(output: Output, name: str | None, *, file: str | None, as_json: bool) -> int:
    """The lab files that ship with rscvm: all by name, or one as it is, on stdout or into a file.

    `rscvm examples windows -o vm.yaml` is one to edit; `rscvm render vm.yaml` shows what it makes.
    """
    file = None if file == "-" else file
    if file is not None and name is None:
        raise RequestError("-o takes one example", hint=f"its name: {', '.join(example_names())}")
    texts = {each: _text(each) for each in ([name] if name is not None else example_names())}
    if file is not None and name is not None:
        write_new(file, texts[name])
        output.say(f"wrote {file}")
    if as_json:
        rows = [{"name": each, "what": _what(text), "text": text} for each, text in texts.items()]
        output.json({"schema": "rscvm/examples/1", "examples": rows})
    elif name is None:
        table = click.HelpFormatter(width=output.width or 80)
        table.write_dl([(each, _what(text)) for each, text in texts.items()])
        output.text(table.getvalue())
    elif file is None:
        output.text(texts[name])
    return 0


def _text(name: str) -> str:
    """An example as it ships.

    :raise RequestError: when none has that name.
    """
    names = example_names()
    if name not in names:
        raise RequestError(f"no example {short(name, 60)}", hint=f"there are {', '.join(names)}")
    return (files("provision") / "examples" / f"{name}{_SUFFIX}").read_text("utf-8")


def _what(text: str) -> str:
    """The first sentence of a lab file's comment, and what it needs beside rscvm."""
    comment = " ".join(line.removeprefix("# ") for line in text.partition("\nversion:")[0].splitlines())
    first = comment.partition(". ")[0].removesuffix(".")
    return (
        f"{first}. Needs a checkout, for the demo guest (`make guest`)."
        if _DEMO_GUEST in text
        else f"{first}."
    )
