"""Golden files, captured fixtures, and what the tests on real parts need to run at all."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, settings

from provision.runtime.interrupt import forget, listen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup, and what they start is not to

# A test says what is so, and never how long this machine took over it.
settings.register_profile("rscvm", deadline=None)
# For `make test-lowest`, after all examples have been tried once.
settings.register_profile("few", deadline=None, max_examples=20)
# For `make mutants`: the same few examples for each, and the first that fails is enough.
settings.register_profile(
    "mutants",
    deadline=None,
    max_examples=20,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
)
settings.load_profile("rscvm")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regold", action="store_true", help="rewrite the golden files instead of comparing")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without root the tests on real parts are left out for a person, and fail where CI is true."""
    for item in items:
        if "real" in item.path.relative_to(HERE).parts:
            item.add_marker(pytest.mark.real)
        if item.get_closest_marker("real") is None:
            continue
        if os.geteuid() != 0 and os.environ.get("CI") != "true":
            item.add_marker(pytest.mark.skip(reason="needs root; `make test` asks sudo for it"))


@pytest.fixture(autouse=True)
def nobody_has_interrupted() -> None:
    """Each test is a command of its own."""
    forget()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Handlers as the command line has them, for the time of the test."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    listen(lambda: None)
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with its golden file, or rewrite that under --regold."""

    def compare(name: str, text: str) -> None:
        path = HERE / "golden" / name
        if request.config.getoption("--regold"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert text == path.read_text(), f"differs from {path}; --regold rewrites it"

    return compare


@pytest.fixture
def fixture_text() -> Callable[[str], str]:
    """Captured output by its path under tests/fixtures."""

    def read(name: str) -> str:
        return (HERE / "fixtures" / name).read_text()

    return read
