"""docs/reference.md against the code: every option of every command, every JSON document."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from provision.cli import rscvm

ROOT = Path(__file__).parent.parent
REFERENCE = (ROOT / "docs" / "reference.md").read_text()
OPTIONS = "\n## Options\n"


def commands(group: click.Group, *above: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group, **rscvm.context_settings)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)
        else:
            yield " ".join((*above, name)), command


def rows(command: click.Command) -> Iterator[str]:
    # as beneath their group: click keeps the names of the first --help for all that come after
    context = click.Context(command, **rscvm.context_settings)
    for param in (each for each in command.get_params(context) if isinstance(each, click.Option)):
        record = param.get_help_record(context)
        if record is not None and "--help" not in record[0]:
            words, does = (re.sub(r"\s+", " ", text).replace("|", r"\|") for text in record)
            yield f"| `{words}` | {does} |"


def table(name: str, command: click.Command) -> str:
    usage = command.collect_usage_pieces(click.Context(command, **rscvm.context_settings))
    lines = [*rows(command)]
    whole = " ".join(("rscvm", *filter(None, (name, *usage))))
    head = f"\n### {f'rscvm {name}'.strip()}\n\n    {whole}\n"
    return head + ("\n| option | |\n|---|---|\n" + "\n".join(lines) + "\n" if lines else "")


def test_every_option_of_every_command_is_there(golden: Callable[[str, str], None]) -> None:
    """`--regold` writes them anew."""
    before = REFERENCE.split(OPTIONS)[0]
    whole = [table("", rscvm), *(table(name, command) for name, command in commands(rscvm))]

    golden("../../docs/reference.md", before + OPTIONS + "".join(whole))


def test_every_document_is_there() -> None:
    documents = set(re.findall(r"^\| `(rscvm/[a-z-]+/\d)` \|", REFERENCE, re.MULTILINE))
    sources = [
        path.read_text()
        for room in ("cli", "verify/report", "verbs")
        for path in (ROOT / "provision" / room).rglob("*.py")
    ]
    printed = {name for text in sources for name in re.findall(r'"schema": "(rscvm/[a-z-]+/\d)"', text)}

    assert printed <= documents


DOCS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "bench" / "README.md",
]


def anchors(path: Path) -> set[str]:
    """What a page's headings are called by, as forges make it of them."""
    heads = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.casefold()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file) if file else path
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target
