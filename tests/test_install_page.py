"""docs/install.md says of rscvm's dependencies what pyproject.toml does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_page_has_every_dependency_with_its_lowest_version_and_says_rightly_which_are_too_old() -> None:
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    rows = re.findall(
        r"^\| ([a-z0-9.-]+) ([0-9.]+) \| (.*) \| (.*) \|$",
        (ROOT / "docs" / "install.md").read_text(),
        re.MULTILINE,
    )

    assert sorted(f"{name}>={lowest}" for name, lowest, *_ in rows) == sorted(needed)
    for _, lowest, *debians in rows:
        for said in debians:
            version, _, verdict = said.partition(": ")
            new_enough = version != "none" and numbers(version) >= numbers(lowest)
            assert verdict == ("" if new_enough or version == "none" else "too old")


def test_the_folder_of_every_completion_file_is_made_before_it_is_written() -> None:
    text = (ROOT / "docs" / "install.md").read_text()
    found = re.findall(r"^ +rscvm completion \w+ > (\S+)/", text, re.MULTILINE)

    [made] = re.findall(r"^ +mkdir -p (~.*)$", text.partition("rscvm completion")[0], re.MULTILINE)
    assert made.split() == found != []


def numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
