"""Shell commands that steps of several kinds share: stop a QEMU, write, copy and remove files. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.facts.ethtool_features import GROUPS
from provision.host.journal import Journal, written_journal
from provision.runtime.command import Argv, Run, shell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from provision.lab.paths import LabPaths


_STARTED = r"""
started() { sed -n '$s/.*) //p' "/proc/$1/stat" 2>/dev/null | cut -d " " -f 20; }"""
"""The start time of a process: field 22 of proc_pid_stat(5), counted after its name, which may hold anything."""

_START = f"""{_STARTED}
pidfile=$1 note=${{1%pid}}started
shift
rm -f -- "$note" && "$@" && p=$(cat -- "$pidfile") && umask 077 && echo "$p $(started "$p")" >"$note.new" && mv -f -- "$note.new" "$note"
"""
"""Starts what goes into the background, and notes which process it is."""
_START_TPM = f"umask 077\n{_START}"
"""As above; what a TPM keeps is for its owner alone."""

_STOP = (
    _STARTED
    + r"""
ours() {
    tr '\0' '\n' 2>/dev/null <"/proc/$1/cmdline" | grep -xF -A1 -e "$option" | grep -qxF -e "$value" || return 1
    [ "$(sed -n 's/^Uid:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$1/status" 2>/dev/null)" = "$(id -u)" ] || return 1
    case ${option}$(readlink "/proc/$1/exe") in -pidfile*/qemu-* | -pidfile*/kvm* | --pid*/swtpm) ;; *) return 1 ;; esac
    [ ! -s "$note" ] || { [ "$(cat "$note")" = "$1 $(started "$1")" ] && return 0 || return 1; }
    for n in mnt net pid; do
        [ "$(readlink "/proc/$1/ns/$n")" = "$(readlink "/proc/self/ns/$n")" ] || return 1
    done
}
option=$2 value=$3 note=${1%pid}started
for c in $(grep -lzxF -e "$value" /proc/[0-9]*/cmdline 2>/dev/null); do
    p=${c#/proc/}
    p=${p%/cmdline}
    ours "$p" || continue
    kill "$p" || ! ours "$p" || exit 1
    i=0
    while ours "$p"; do
        i=$((i + 1))
        [ "$i" != 100 ] || kill -9 "$p"
        [ "$i" -le 150 ] || { echo "process $p does not end" >&2; exit 1; }
        sleep 0.1
    done
done"""
)
"""Ends the QEMU or swtpm that has this pidfile among its arguments: asks for 10 s, then does not ask.

Anybody may give a process these arguments, so the kernel is asked: it must be such a program, ours, and the process that was
noted at its start; where none was noted, in our namespaces (`host.read.processes` tells the same of what runs).

By /proc and not by the pidfile, which one that has just been started has not written yet.
"""


# Others may pass through our directories (QEMU runs as somebody else under libvirt), and look into none of our files.
_REPLACE = '{ [ -d "${1%/*}" ] || (umask 066 && mkdir -p -- "${1%/*}"); } && umask 077 && cat >"$1.new" && sync -- "$1.new" && mv -f -- "$1.new" "$1" && sync -- "${1%/*}"'
# Nobody holds a keeper's file that a kill has left.
_FORGET = 'k=${1%/*}/.enforce; { [ ! -e "$k" ] || flock -n -- "$k" rm -f -- "$k" "$k.pipe" "$k.next"; }; rm -f -- "$1" "$1.new" "${1%/*}/.undo.fired" && { [ ! -d "${1%/*}" ] || rmdir --ignore-fail-on-non-empty -- "${1%/*}"; }'
_OVERLAY = 'umask 077 && qemu-img create -q -f qcow2 -b "$1" -F "$2" "$3.new" && mv -f -- "$3.new" "$3"'
_COPY = 'umask 077 && cp -- "$1" "$2.new" && mv -f -- "$2.new" "$2"'
_WRITE = 'mkdir -p -- "${1%/*}" && cat >"$1.new" && chmod 0644 -- "$1.new" && mv -f -- "$1.new" "$1"'
_TOLERANT = '"$@" || [ $? -lt 126 ]'
# A process that ends has lost its arguments before its descriptors, hence the patience.
_REMOVE_UNUSED = r"""
user() {
    # shellcheck disable=SC3013,SC2044 # -ef as in the lock; the names that find tells are numbers
    for u in $(find -L /proc/[0-9]*/fd -maxdepth 1 -inum "$(stat -Lc %i -- "$1")" 2>/dev/null); do
        [ ! "$u" -ef "$1" ] || { u=${u#/proc/} && echo "${u%%/*}" && return; }
    done
}
for f do
    i=0
    while [ -e "$f" ] && p=$(user "$f") && [ -n "$p" ]; do
        i=$((i + 1))
        [ "$i" -le 20 ] || { echo "process $p ($(cat "/proc/$p/comm")) has $f open: it stays" >&2; exit 1; }
        sleep 0.1
    done
done
rm -f -- "$@"
"""
_REMOVE_MARKED = '[ ! -e "$1" ] || case $(head -n 1 -- "$1") in "$2"*) rm -f -- "$1" ;; esac'

SCRIPTS = {
    "start": _START,
    "start TPM": _START_TPM,
    "stop": _STOP,
    "replace": _REPLACE,
    "write": _WRITE,
    "forget": _FORGET,
    "overlay": _OVERLAY,
    "copy": _COPY,
    "marked": _REMOVE_MARKED,
    "unused": _REMOVE_UNUSED,
    "tolerant": _TOLERANT,
}
"""Every constant script above, for the linter."""


def start_qemu(pidfile: str, argv: Argv) -> Run:
    """Start a QEMU that goes into the background and has this pidfile, and note which process it is."""
    return shell(_START, pidfile, *argv)


def stop_qemu(pidfile: str) -> Run:
    """End the QEMU that has this pidfile."""
    return shell(_STOP, pidfile, "-pidfile", pidfile)


def start_tpm(pidfile: str, argv: Argv) -> Run:
    """Start a swtpm that goes into the background and has this pidfile."""
    return shell(_START_TPM, pidfile, *argv)


def stop_tpm(pidfile: str) -> Run:
    """End the swtpm that has this pidfile; it ends by itself with its QEMU, unless that never came."""
    return shell(_STOP, pidfile, "--pid", f"file={pidfile}")


def make_overlay(base: str, form: str, path: str) -> Run:
    """Make an overlay in one move, so that one that is there is whole."""
    return shell(_OVERLAY, base, form, path)


def copy_file(source: str, path: str) -> Run:
    """Copy a file in one move, so that one that is there is whole."""
    return shell(_COPY, source, path)


def remove_files(*paths: str) -> Run:
    """Remove files and what was to become them, whether they are there or not."""
    return Run(("rm", "-f", "--", *(name for path in paths for name in (path, f"{path}.new"))))


def remove_unused(path: str) -> Run:
    """Remove a disk, and what was to become it; not while any process has it open."""
    return shell(_REMOVE_UNUSED, path, f"{path}.new")


def tolerant(*argv: str) -> Run:
    """A command whose status does not tell whether it did what it was to do, but where it was not even run, or killed."""
    return shell(_TOLERANT, *argv)


def features_argv(device: str, features: Mapping[str, bool]) -> Argv:
    """Ethtool's command that sets a device's features, a group before what it has in it."""
    groups_first = sorted(features.items(), key=lambda row: row[0] not in GROUPS)
    return (
        "ethtool",
        "-K",
        device,
        *(word for name, on in groups_first for word in (name, "on" if on else "off")),
    )


def set_features(device: str, features: Mapping[str, bool]) -> Run:
    """Set a device's features; whether that took is for reading back to tell."""
    return tolerant(*features_argv(device, features))


def write_file(path: str, text: str) -> Run:
    """Replace a file that others read, in one move."""
    return Run(("sh", "-c", _WRITE, "sh", path), stdin=text)


def remove_marked(path: str, mark: str) -> Run:
    """Remove a file that begins with a mark of ours; another one stays."""
    return shell(_REMOVE_MARKED, path, mark)


def write_journal(paths: LabPaths, journal: Journal) -> Run:
    """Replace the lab's journal in one move."""
    return Run(("sh", "-c", _REPLACE, "sh", paths.journal), stdin=written_journal(journal))


def forget_lab(paths: LabPaths) -> Run:
    """Remove the journal, and the lab's directory unless somebody else keeps files there."""
    return shell(_FORGET, paths.journal)
