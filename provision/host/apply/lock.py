"""The lab's lock on a host: one run at a time, and others are told whose it is.

The lock is the kernel's (flock) and not the file: it ends with its holder, however that ends, so there is
no stale lock. The file only says who; one that is left over is taken over.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from provision.runtime.command import HELD, NOT_FOUND, shell
from provision.runtime.errors import HostError
from provision.runtime.interrupt import shield

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.lab.paths import LabPaths
    from provision.runtime.protocols import Runner

_BUSY = 75
_REMOVED = 76
_LOOSE = 77
_TRIES = 5

LOOSE = r"""loose() {
    d=$(cd -P -- "${1%/*}" && pwd -P)
    us=" 0 $(id -u) ${SUDO_UID:-0} "
    set -- "$d/journal.json" "$d/.undo" "$d/undo" "$d/.enforce" "$d/lock" "$d" /
    while [ -n "${d%/*}" ]; do d=${d%/*} && set -- "$@" "$d"; done
    stat -Lc '%u %a %n' -- "$@" 2>/dev/null | while read -r user mode name; do
        case $us in *" $user "*) ;; *) echo "$name belongs to uid $user" && break ;; esac
        case $user$mode in 0[1357]???) continue ;; esac
        case $mode in *[2367] | *[2367]?) echo "$name can be written by others (mode $mode)" && break ;; esac
    done
}
"""
"""Tells why what lies beside a file of the lab's must not be believed; nothing where it may."""

HOLD = f"""
command -v flock >/dev/null || {{ echo "flock: not found" >&2; exit {NOT_FOUND}; }}
[ -d "${{1%/*}}" ] || (umask 066 && mkdir -p -- "${{1%/*}}") || exit 1
{LOOSE}why=$(loose "$1")
[ -z "$why" ] || {{ echo "$why" >&2; rmdir --ignore-fail-on-non-empty -- "${{1%/*}}"; exit {_LOOSE}; }}
(umask 077 && : >>"$1") || {{ [ -d "${{1%/*}}" ] && exit 1; exit {_REMOVED}; }}
command exec 9>>"$1" || exit {_REMOVED}
chmod 0600 -- "$1" || exit {_REMOVED}
flock -w 1 -E {_BUSY} 9
s=$?
[ $s = {_BUSY} ] && head -c 400 -- "$1"
[ $s = 0 ] || exit $s
# shellcheck disable=SC3013 # -ef is in every sh that we know, and in POSIX since 2024
[ "$1" -ef /proc/self/fd/9 ] || exit {_REMOVED}
printf '%s\\n' "$2" >"$1"
echo {HELD}
sh 9>&-
rm -f -- "$1"
rmdir --ignore-fail-on-non-empty -- "${{1%/*}}"
true"""
"""Holds the lock while it runs what its input says, then removes its file, and the lab's directory if that is all there was.

What lies beside the lock is believed, so owners and modes are looked at first, as sshd does with StrictModes; a sticky
directory of root's is no fault, and under sudo what is its user's counts as root's.
flock takes a descriptor that only reads, too, so the file is its owner's alone (0.1.0's was everybody's to read).
What it runs does not inherit the lock, which a QEMU would hold for ever; and it ends only after the last command has,
so that nothing of a killed run happens after somebody else has the lock. One second of patience is for such a rest.
"""


class LockError(HostError):
    """The lock could not be had."""


@contextmanager
def locked(runner: Runner, paths: LabPaths, who: str) -> Iterator[None]:
    """Hold a lab's lock for the block.

    :raise LockError: when somebody else holds it, whom the message names, or it cannot be made.
    """
    for _ in range(_TRIES):
        with ExitStack() as stack:
            with shield():  # an interruption comes when there is something that can be let go
                answer = stack.enter_context(runner.hold(shell(HOLD, paths.lock, who).argv))
            if answer.ok:
                yield
                return
        if answer.status == _BUSY:
            holder = answer.out.strip() or "somebody"
            raise LockError(
                f"lab {paths.lab} is being changed by {holder}", hint="try again when that has ended"
            )
        if answer.status == _LOOSE:
            raise LockError(
                f"{paths.directory} on {runner.name} is not believed: {answer.err.strip()}",
                hint="what lies there tells what to remove and to run: it and every directory above must be root's or "
                "yours, and no others' to write (chmod go-w); or name another state_dir",
            )
        if answer.status == NOT_FOUND:
            raise LockError(f"flock not found on {runner.name}", hint="install it (Debian: util-linux)")
        if answer.status != _REMOVED:
            break
    raise LockError(
        f"cannot lock {paths.lock} on {runner.name}: {answer.err.strip() or 'it comes and goes'}",
        hint="as root (sudo; `sudo: true` of a remote host), or with a state_dir of your own"
        if answer.err
        else "",
    )
