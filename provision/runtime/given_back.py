"""Gives back what a block took, at its end; what goes wrong with that hides neither an error nor Ctrl-C."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from provision.runtime.errors import RscvmError
from provision.runtime.interrupt import shield

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from provision.runtime.command import Say


@contextmanager
def given_back(give: Callable[[], object], say: Say) -> Iterator[None]:
    """Run `give` behind a shield when the block ends, however it does.

    :raise KeyboardInterrupt: when the block was interrupted; caused by what `give` raised, where it did.
    :raise RscvmError: the block's own, and what `give` raised is said; without one, that.
    """
    try:
        yield
    except BaseException as error:
        try:
            with shield():
                give()
        except RscvmError as trouble:
            if isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt from trouble
            say(f"{trouble} ({trouble.hint})" if trouble.hint else str(trouble))
        raise
    else:
        with shield():
            give()
