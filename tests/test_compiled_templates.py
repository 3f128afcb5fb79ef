"""Compiled templates that are kept: read only where nobody else can write, and never needed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment

from provision.runtime.compiled_templates import CompiledTemplates

SOURCE = "{{ word }}!"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    return tmp_path / "__pycache__"


def printed(place: Path, source: str = SOURCE, *, escape: bool = False) -> str:
    """A template, printed by an environment that has never seen it."""
    return environment(place, source, escape=escape).get_template("page").render(word="<a>")


def environment(place: Path, source: str = SOURCE, *, escape: bool = False) -> Environment:
    return Environment(
        loader=DictLoader({"page": source}),
        autoescape=escape,  # noqa: S701
        bytecode_cache=CompiledTemplates(place),
    )


def is_kept(place: Path, source: str = SOURCE, *, escape: bool = False) -> bool:
    """Whether an environment finds the template's code."""
    of = environment(place, source, escape=escape)
    assert of.bytecode_cache is not None
    return of.bytecode_cache.get_bucket(of, "page", None, source).code is not None


def test_what_was_compiled_once_is_kept_for_the_next_process(place: Path) -> None:
    assert not is_kept(place)

    assert printed(place) == "<a>!"

    assert is_kept(place)
    assert printed(place) == "<a>!"
    assert len([*place.iterdir()]) == 1


def test_a_template_that_was_changed_is_compiled_anew(place: Path) -> None:
    printed(place)

    assert printed(place, "{{ word }}?") == "<a>?"


def test_code_that_escapes_is_not_taken_for_code_that_does_not(place: Path) -> None:
    printed(place)

    assert printed(place, escape=True) == "&lt;a&gt;!"
    assert is_kept(place)
    assert is_kept(place, escape=True)


@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_code_is_neither_kept_nor_read_where_others_can_write(place: Path, mode: int) -> None:
    place.mkdir()
    place.chmod(mode)

    assert printed(place) == "<a>!"
    assert not [*place.iterdir()]

    place.chmod(0o755)
    printed(place)
    place.chmod(mode)
    assert not is_kept(place)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a directory away")
def test_code_is_neither_kept_nor_read_in_the_directory_of_another_user(place: Path) -> None:
    printed(place)
    os.chown(place, 4711, 4711)

    assert not is_kept(place)
    assert printed(place, "{{ word }}?") == "<a>?"
    assert len([*place.iterdir()]) == 1


def test_nothing_is_kept_where_python_is_to_keep_none(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    assert printed(place) == "<a>!"
    assert not place.exists()


def test_a_template_is_printed_where_nothing_can_be_kept(place: Path) -> None:
    place.write_text("no directory")

    assert printed(place) == "<a>!"
