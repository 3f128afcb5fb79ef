"""The host's own undo: a process there that puts back what was found unless it hears from us in time.

It first ends whatever still works for us, so that nothing is set after it, and then takes the lab's lock, from whoever
keeps it. Whoever has the lock next settles what it finds armed: its owner has gone, or it would hold the lock.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from provision.host.plan.steps import HOST, Step
from provision.lab.paths import LabPaths
from provision.runtime.command import Run, shell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.lab.spec import Lab
    from provision.runtime.command import Say
    from provision.runtime.protocols import Edges

_PATIENCE = 20
"""Seconds that the host waits for us, besides what its drivers may take."""
_EACH = 5
"""Seconds that a driver may take for one setting: some reset their NIC for it."""

# A process group's number may be another's by then, so its leader's start is noted with it. What lies there may be
# armed by a later run: only the process that it names fires it. Whoever settles what is left over has the lock for a
# moment; who keeps it is ended, with all that it runs: the undo comes at its time, if need be without the lock.
_FIRE = r"""
echo $$
exec >/dev/null 2>&1
sleep "$2"
[ "$(cat -- "$1.pid" 2>/dev/null)" = $$ ] || exit 0
[ -z "$4" ] || [ "$(cut -d ' ' -f 22 "/proc/$3/stat" 2>/dev/null)" != "$4" ] || kill -9 "-$3"
lock=${1%/*}/lock
umask 077
group() { cut -d ' ' -f 5 "/proc/$1/stat"; }
oust() {
    # shellcheck disable=SC2044 # numbers
    for fd in $(find -L /proc/[0-9]*/fd -maxdepth 1 -inum "$(stat -Lc %i /proc/self/fd/9)" 9>&-); do
        p=${fd#/proc/}
        g=$(group "${p%%/*}")
        # shellcheck disable=SC3013 # as in the lock
        [ ! "$fd" -ef /proc/self/fd/9 ] || [ "${g:-0}" -le 1 ] || [ "$g" = "$(group $$)" ] || kill -9 "-$g"
    done
}
while :; do
    exec 9>>"$lock"
    for _ in 1 2 3; do flock -w 2 9 && break || oust; done
    [ "$(stat -c %i -- "$lock" 2>/dev/null)" != "$(stat -Lc %i /proc/self/fd/9)" ] || break
done
echo "its host, which puts back what a run found that was cut off" >"$lock"
if [ "$(cat -- "$1.pid" 2>/dev/null)" = $$ ] && mv -- "$1" "$1.firing"; then
    sh "$1.firing" 9>&-
    mv -- "$1.firing" "$1.fired"
    rm -f -- "$1.pid"
fi
rm -f -- "$lock"
rmdir --ignore-fail-on-non-empty -- "${1%/*}"
"""
_ARM = r"""
umask 077
read -r _ _ _ _ group _ </proc/$$/stat
start=
read -r _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ start _ 2>/dev/null <"/proc/$group/stat"
read -r boot </proc/sys/kernel/random/boot_id
[ ! -e "$1.fired" ] || rm -f -- "$1.fired" || exit 1
{ echo "# $boot"; cat; } >"$1.new" || exit 1
mv -f -- "$1.new" "$1" || exit 1
armed=$(setsid sh -c "$3" sh "$1" "$2" "$group" "$start" </dev/null &)
[ -n "$armed" ] || { echo "no process could be left there to put back what is found" >&2; exit 1; }
echo "$armed" >"$1.pid"
"""
# Its number may be another's by now, so it is known by the undo's path among its arguments.
_END = r"""
end() {
    read -r p <"$1.pid"
    if tr '\0' '\n' <"/proc/$p/cmdline" | grep -qxF -e "$1"; then kill -9 "-$p" || kill -9 "$p"; fi
} 2>/dev/null
"""
_DISARM = (
    _END
    + r"""mv -- "$1" "$1.gone" || exit 1
end "$1"
rm -f -- "$1.gone" "$1.pid"
"""
)
# Of another boot nothing is left to be put back, and its process numbers are others' now. Beside a console lies the
# process id of a machine called `undo`, and not that of 0.1.0's undo.
_SETTLE = (
    _END
    + r"""for u do
    for was in "" .firing; do
        [ -e "$u$was" ] || continue
        if [ "$(head -n 1 -- "$u$was")" = "# $(cat /proc/sys/kernel/random/boot_id)" ]; then
            end "$u"
            sh "$u$was" >&2
            : >"$u.fired"
        fi
        rm -f -- "$u$was"
    done
    for left in "$u.new" "$u.gone"; do [ ! -e "$left" ] || rm -f -- "$left"; done
    [ ! -e "$u.pid" ] || [ -e "$u.log" ] || rm -f -- "$u.pid"
    [ ! -e "$u.fired" ] || { rm -f -- "$u.fired"; echo fired; }
done
"""
)

SCRIPTS = {"fire": _FIRE, "arm": _ARM, "disarm": _DISARM, "settle": _SETTLE}
"""Every constant script above, for the linter."""


def patience(guarded: Sequence[Step], lasting: int = 0) -> int:
    """Seconds that the host waits for us while these steps are taken, and what they made is meant to last."""
    return _PATIENCE + _EACH * len(guarded) + lasting


def deadman_step(path: str, guarded: Sequence[Step], lasting: int = 0) -> Step:
    """The step before all that may cut the host off, or is to last so many seconds and no longer; its undo disarms."""
    host, seconds = guarded[0].host, patience(guarded, lasting)
    undo = [shlex.join(run.argv) for step in reversed(guarded) for run in step.undo if isinstance(run, Run)]
    return Step(
        host,
        HOST,
        f"arm {host}'s own undo",
        f"it puts back what was found, should it not hear from us within {seconds} s",
        (replace(shell(_ARM, path, str(seconds), _FIRE), stdin="\n".join((*undo, ""))),),
        (cancel(path),),
        exclusive=False,
    )


def cancel(path: str) -> Run:
    """Tell the host that all is well; fails where it has stopped waiting for that."""
    return shell(_DISARM, path)


def fire_left_over(edges: Edges, lab: Lab, host: str) -> bool:
    """Let what a run left armed that was cut off be put back now, 0.1.0's too; for the holder of the lock.

    Return whether there was such a run since the last one that was not.
    """
    paths = LabPaths(lab.state_dir, lab.name)
    settle = shell(_SETTLE, paths.undo, paths.undo_of_0_1)
    return "fired" in edges.host(host).run(settle.argv).check().out.split()


def fire_left_over_first(edges: Edges, lab: Lab, host: str, say: Say) -> None:
    """Settle, and say so; before anything is read that is to be planned from."""
    if fire_left_over(edges, lab, host):
        say(f"an earlier run was cut off while it set {host}: what that had found has been put back")
