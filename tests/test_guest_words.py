"""How a script is handed to a guest: by stdin, after a command line that no shell has anything to quote in."""

from __future__ import annotations

import re
import subprocess
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.render.guest_scripts import GUEST_SCRIPTS
from provision.runtime.guest_channel import Script
from provision.runtime.guest_words import LONGEST_LINE, as_run, encoded_command

SCRIPTS = {name: row.example() for name, row in GUEST_SCRIPTS.items()}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_no_shell_on_the_way_has_anything_to_quote(script: Script) -> None:
    run = as_run(script)

    assert all(re.fullmatch(r"[A-Za-z0-9.+/-]+", word) for word in run.argv)
    assert len(" ".join(run.argv)) < LONGEST_LINE < 8191


@pytest.mark.parametrize("shell", ["powershell", "sh"])
def test_the_command_line_is_the_same_for_every_script(shell: str) -> None:
    assert len({as_run(script).argv for script in SCRIPTS.values() if script.shell == shell}) == 1


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_script_comes_whole_in_one_line_of_ascii(text: str) -> None:
    line = as_run(Script("powershell", "any", text)).stdin

    assert line.isascii()
    assert line.endswith(".\n")
    assert line.count("\n") == line.count(".") == 1
    assert b64decode(line[:-2], validate=True).decode() == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_an_encoded_command_is_utf_16_and_ends_in_no_equals_sign(text: str) -> None:
    encoded = encoded_command(text)

    assert "=" not in encoded
    assert b64decode(encoded, validate=True).decode("utf-16-le").rstrip(" ") == text.rstrip(" ")


def test_a_script_for_sh_is_run_by_a_real_one_and_reads_nothing_of_itself() -> None:
    run = as_run(SCRIPTS["linux"])
    done = subprocess.run(run.argv, input=run.stdin, capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.startswith('{"rscvm":"linux/1"')
    assert done.stdout.count("\n") == 1


def test_half_a_script_for_sh_does_nothing() -> None:
    run = as_run(SCRIPTS["linux"])
    for length in (len(run.stdin) // 2, len(run.stdin) - len("told </dev/null\n")):
        done = subprocess.run(
            run.argv, input=run.stdin[:length], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.stdout == ""
