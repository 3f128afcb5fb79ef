"""`hck enforce`: keep the TAPs of test NICs wire-like until somebody ends it, and put back what was changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.runtime.deadline import pause
from provision.runtime.errors import HostError
from provision.verbs.hck.keeper import BY_ITSELF, Keeper, RefusedTapError
from provision.verbs.hck.kept_taps import Happened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.host.apply.session import HostSession
    from provision.runtime.protocols import Follow
    from provision.verbs.hck.kept_taps import Enforced, Voice

_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds until a lost connection is made anew, the last of them again and again."""


def enforce(session: HostSession, follow: Follow, names: Sequence[str], voice: Voice) -> Enforced:
    """Keep the TAPs of these machines' test NICs on one host until somebody interrupts it, and put back what it did.

    A lost connection is made anew, and a TAP that is not there waited for.

    :raise HostError: when the host is not reached at first.
    """
    keeper = Keeper(session, names, voice)
    keeper.look_first()
    lost = 0
    try:
        while True:
            try:
                with follow(keeper.argv) as program:
                    keeper.attend(program)
                return keeper.enforced()
            except RefusedTapError as error:
                return keeper.enforced(error)
            except HostError as error:
                if not keeper.begun:
                    raise
                lost = 0 if keeper.listening else lost
                keeper.listening = False
                seconds = _PAUSES[min(lost, len(_PAUSES) - 1)]
                voice.tell(Happened(session.host, "lost", why=f"{error}; the next try is in {seconds:g} s"))
                lost += 1
                pause(seconds)
    except KeyboardInterrupt:
        if not keeper.begun:
            raise
        return keeper.enforced(
            HostError(
                f"{session.host}: it could not be told to put back what was switched off",
                hint=BY_ITSELF,
                names_host=True,
            )
        )
