"""What is given back at a block's end: also after an error and after Ctrl-C, and trouble with it is told."""

from __future__ import annotations

import pytest

from provision.runtime.errors import HostError
from provision.runtime.given_back import given_back


def refuse() -> None:
    raise HostError("it still runs", hint="virsh start it")


def test_it_is_given_back_however_the_block_ends() -> None:
    given: list[str] = []
    with given_back(lambda: given.append("well"), given.append):
        pass
    with pytest.raises(ValueError, match="x"), given_back(lambda: given.append("failed"), given.append):
        raise ValueError("x")
    with pytest.raises(KeyboardInterrupt), given_back(lambda: given.append("interrupted"), given.append):
        raise KeyboardInterrupt

    assert given == ["well", "failed", "interrupted"]


def test_trouble_with_it_hides_no_interruption_and_is_its_cause() -> None:
    with pytest.raises(KeyboardInterrupt) as raised, given_back(refuse, lambda _: None):
        raise KeyboardInterrupt

    assert str(raised.value.__cause__) == "it still runs"


def test_trouble_with_it_hides_no_error_and_is_said() -> None:
    said: list[str] = []
    with pytest.raises(ValueError, match="the first"), given_back(refuse, said.append):
        raise ValueError("the first")

    assert said == ["it still runs (virsh start it)"]


def test_trouble_alone_is_raised() -> None:
    with pytest.raises(HostError, match="it still runs"), given_back(refuse, lambda _: None):
        pass
