"""Reads the QEMU processes of a host from /proc, and tells which of them are machines of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.facts.processes import parse_processes
from provision.facts.qemu import switches_on
from provision.runtime.command import UNRECORDED, shell
from provision.runtime.questions import Question
from provision.runtime.safe_text import escaped
from provision.tables.offloads import HCK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from provision.facts.processes import Process, Processes
    from provision.lab.paths import LabPaths
    from provision.runtime.command import Result, Run

_READ = r"""{ true </proc/1/cmdline; } 2>/dev/null && command -v base64 >/dev/null || { echo "others' processes cannot be seen" >&2; exit 1; }
# shellcheck disable=SC2086 # the words that are split are paths of /proc, which end in numbers
also='' held='' others='' sockets_held=''
processes() {
    read='' links='' fds='' stat=''
    for p do
        read="$read $p/status $p/cmdline" links="$links $p/exe $p/ns" fds="$fds $p/fd" stat="$stat $p/stat"
    done
    grep -azHZ '' $stat /proc/self/status $read $also
    find /proc/self/ns $links -maxdepth 1 -type l -printf '%p\0%l\0'
    [ -z "$fds" ] || {
        sockets_held=$(find $fds -maxdepth 1 \( -lname 'socket:*' -o -lname '/dev/tap[0-9]*' ! -lname '/dev/tap*[!0-9]*' \) \
            -printf '%p %l\n' | awk -F/ '/ (socket:\[|\/dev\/tap)[0-9]+\]?$/ && ++held[$3] <= 512 { print held[$3], $0 }' | sort -n | head -n 200000 | cut -d ' ' -f 2-)
        [ -z "$sockets_held" ] || printf '%s\0%s\0' $sockets_held
        attached $fds | xargs -r grep -azHZ iff:
    }
    [ -z "$held" ] || others=$(attached $held)
    [ -z "$others" ] || {
        printf '%s\n' $others | xargs -r grep -azHZ iff:
        printf '%s\n' $others | sed 's,/fd/.*,/ns,' | sort -u | xargs -r sh -c 'find "$@" -maxdepth 1 -type l -printf "%p\0%l\0"' sh
    }
    [ -z "$stat" ] || grep -azHZ '' $stat
}
attached() {
    {
        find /proc -maxdepth 2 -name status -path '/proc/[0-9]*' -exec grep -H ^Uid: {} +
        find "$@" -maxdepth 1 -lname '*/tun' -printf '%h/../fdinfo/%f\n' | xargs -r grep -al 'iff:.*[^[:space:]]'
    } | awk -F/ '$4 ~ /^status:/ { split($4, said); uid[$3] = said[2]; next } ++held[$3] <= 4096 && ++user[uid[$3]] <= 16384 && ++all <= 60000'
}
room=9000000
said() {
    name=$1
    shift
    out=$("$@" | head -c 4000000)
    room=$((room - ${#out}))
    [ "$room" -lt 0 ] || printf '%s\0%s\0' "$name" "$out"
}
"""
"""What the kernel says of processes: start times first and last, so that a pid that became another's meanwhile is seen.

What an ordinary user can have without end (descriptors of /dev/net/tun, sockets) is cut by process and by user, and only
whole records are, so that it hides nobody else; a QEMU's own come before those of others.
"""

_PROCESSES = (
    _READ
    + r"""{
    # shellcheck disable=SC2046 # as above
    processes $(grep -lz "$@" /proc/[0-9]*/cmdline | sed 's,/cmdline$,,')
    for f do
        f=${f%.pid}.started
        [ ! -s "$f" ] || said "$f" cat -- "$f"
    done
} 2>/dev/null | base64 -w0"""
)
"""Of the processes whose arguments grep finds; and which process was noted of each pidfile."""

_QEMUS = (
    ": QEMUs and what they hold\n"
    + _READ
    + r"""{
    sockets=$1
    # shellcheck disable=SC2046 # as above
    set -- $(find /proc/[0-9]*/exe -maxdepth 0 \( -lname '*qemu*' -o -lname '*kvm*' \) -printf '%h\n')
    # shellcheck disable=SC2046,SC2086 # as above
    [ $# = 0 ] || {
        uids='' sizes=''
        for p do
            uids="$uids $p/status" sizes="$sizes $p/cmdline"
        done
        told=$({ grep -H ^Uid: $uids; wc -c -- $sizes; } | awk '{ split($1, at, "/") }
            at[4] ~ /^status:/ { uid[at[3]] = $2; next }
            $2 !~ /cmdline$/ { next }
            { split($2, at, "/"); p = at[3]; u = uid[p]; size[u] += $1; print ++count[u], $1, size[u], "/proc/" p }' | sort -n |
            awk '{ all += $2; print ($1 > 2000 || $2 > 131072 || $3 > 8000000 || all > 10000000 ? "-" : "") $4 }')
        said 'left out' printf '%s\n' $(printf '%s\n' $told | grep ^- | head -n 50)
        set -- $(printf '%s\n' $told | grep -v ^-)
    }
    held='/proc/[0-9]*/fd' also="/proc/sys/kernel/osrelease /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding /run/libvirt/qemu/*.pid ${XDG_RUNTIME_DIR:-/run/user/0}/libvirt/qemu/run/*.pid"
    processes "$@"
    away=''
    for p do
        # shellcheck disable=SC3013 # -ef as in the lock
        [ "$p/ns/net" -ef /proc/self/ns/net ] || away="$away $p/ns/net"
    done
    # shellcheck disable=SC2086 # as above
    listening() {
        {
            printf '%s %s\n' $sockets_held
            grep -aE ' 00010000 0001 01 | 00000000 0001 03 +[0-9]+ /' "$1/unix" | sed 's/^/unix /'
            grep -ahE ':0000 0A ' "$1/tcp" "$1/tcp6" | sed 's/^/tcp /'
        } | awk '/^\/proc\// { sub(/^.*\[/, ""); sub(/\].*/, ""); held[$0]; next } /^unix / && $8 in held || /^tcp / && $11 in held'
    }
    # shellcheck disable=SC2016,SC2120 # awk's words; called through `said`, too
    routes() {
        "$@" awk 'FNR == 1 { six = FILENAME ~ /ipv6/ }
            six && $NF != "lo" && $1 !~ /^(fe80|ff)/ { told(($1 ~ /^0+$/ && $2 == "00") ? "default6" : "route", $NF, $6) }
            !six && FNR > 1 { told(($2 ~ /^0+$/ && $8 ~ /^0+$/) ? "default4" : "route", $1, $7) }
            function told(what, device, metric, line) {
                line = what " " device " " (what == "route" ? 0 : metric)
                if (!(line in seen)) { seen[line]; print line }
            }' /proc/self/net/route /proc/self/net/ipv6_route
    }
    own=$(readlink /proc/self/ns/net)
    default=$(routes)
    said "$own routes" echo "$default"
    [ -z "$sockets" ] || said "$own listening" listening /proc/self/net
    told() {
        while read -r net at; do
            case $net in "$own") continue ;; net:*) ;; *) continue ;; esac # whose process has ended has no name
            [ -z "$1" ] || said "$net listening" listening "${at%/ns/net}/net"
            said "$net links" nsenter "--net=$at" ip -json -details -stats address show
            said "$net features" nsenter "--net=$at" ethtool --json -k '*'
            said "$net queueing" nsenter "--net=$at" tc -json qdisc show
            said "$net routes" routes nsenter "--net=$at"
        done
    }
    [ -z "$away" ] || find $away -maxdepth 0 -printf '%l %p\n' | sort -u -k 1,1 | head -n 256 | told "$sockets"
    veths=' ' ports=''
    for d in /sys/class/net/*; do
        { read -r kind <"$d/uevent" && read -r index <"$d/ifindex" && read -r peer <"$d/iflink"; } || continue
        case $kind in DEVTYPE=*) continue ;; esac
        veths="$veths$index:$peer "
        case $default in *"default4 ${d##*/} "* | *"default6 ${d##*/} "*) uplink=1 ;; *) uplink='' ;; esac
        [ -e "$d/device" ] || [ -e "$d/tun_flags" ] || [ -z "$uplink" ] && [ ! -e "$d/master" ] || ports="$ports $peer:$index"
    done
    led=''
    for p in $ports; do
        case $veths in *" $p "*) [ "${p%:*}" != "${p#*:}" ] || led=1 ;; *) led=1 ;; esac
    done
    [ -z "$led" ] || {
        find /proc/[0-9]*/ns/net -maxdepth 0 -printf '%l %p\n'
        stat -c 'net:[%i] %n' /run/netns/* /run/docker/netns/*
    } | sort -u -k 1,1 | head -n 64 | told ''
    room=1
    said end true
} 2>/dev/null | head -c 32000000 | base64 -w0"""
)
"""Of every QEMU that we may see; libvirt's pidfiles; and of their networks who listens, where that is wished, and the
devices of those that are not ours, and of those that a bridge's veth leads into; the devices of default routes."""

SCRIPTS = {"processes": _PROCESSES, "qemus": _QEMUS}
"""Every constant script above, for the linter."""

LEFT_OUT = "left out"
"""Under this name stand the processes whose command lines are longer than any QEMU's, or more than a user's share."""

_IN = ("mnt", "net", "pid")
"""The namespaces that a machine of ours shares with whoever looks at it; a container's differ."""


def processes_question(pidfiles: Iterable[str]) -> Question[Processes]:
    """Every process that names one of these pidfiles among its arguments, whoever's it is."""
    words = (word for pidfile in pidfiles for word in ("-e", pidfile))
    return Question(shell(_PROCESSES, "-xF", *words), lambda answer: parse_processes(answer.check().out))


FORWARDING = ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding")
"""Whether the host forwards at all."""

RELEASE = "/proc/sys/kernel/osrelease"
"""The kernel's version stands there."""

LIBVIRT = ("/run/libvirt/qemu", "libvirt/qemu/run")
"""Where libvirt keeps its domains' pidfiles: the system's, and below XDG_RUNTIME_DIR a user's."""


def _qemus(answer: Result) -> Processes | None:
    return None if answer.status == UNRECORDED else parse_processes(answer.check().out, ended=True)


QEMUS = Question(shell(_QEMUS, ""), _qemus)
"""Every QEMU that we may see, with its TAPs, and the networks that they are in; None in evidence of 0.1.0."""

LISTENING = Question(shell(_QEMUS, "sockets"), _qemus)
"""The same, and who listens at which path in these networks."""

ENGINES = Question(
    shell(_PROCESSES, "-F", "-e", HCK), lambda answer: _engines(parse_processes(answer.check().out))
)
"""The TAPs of every QEMU in our network that was started with the HCK engine, and whose they are; as root alone."""


def _engines(read: Processes) -> Mapping[str, str]:
    here = read.reader.namespaces.get("net") if read.reader else None
    return {
        tap: f"{escaped(process.machine)} (process {process.pid})"
        for process in read.found
        if process.is_qemu and here and process.namespaces.get("net") == here
        if any(switches_on(HCK, word) for word in process.argv)
        for tap in process.taps.values()
    }


def is_about_processes(run: Run) -> bool:
    """Whether a command is the one that asks for processes, whichever."""
    return run.argv[:3] == ("sh", "-c", _PROCESSES)


def is_of_processes(argv: Sequence[str]) -> bool:
    """Whether a command's answer has the arguments of processes."""
    return tuple(argv[:3]) in (("sh", "-c", _PROCESSES), ("sh", "-c", _QEMUS))


def is_our_machine(process: Process, reader: Process | None, noted: str) -> bool:
    """Whether a process that names our pidfile is the machine, by what the kernel says.

    Its user and executable must be right, and it must be the one that was noted when it was started; where that was
    not noted (`up` was killed, or was 0.1.0), it must be in our namespaces. What we may not see of root's processes is
    taken for right: root could do anything anyway.
    """
    if reader is None:  # 0.1.0 read no more, so its evidence is judged as it judged
        return True
    unseen = not process.program and process.uid == 0
    if not unseen and not (process.is_qemu and process.uid == reader.uid):
        return False
    if noted:
        return noted == f"{process.pid} {process.started}"
    return unseen or all(process.namespaces.get(name) == reader.namespaces.get(name) for name in _IN)


def our_machines(read: Processes, paths: LabPaths, names: Iterable[str]) -> dict[str, Process]:
    """Those that run of these machines, by their pidfiles."""
    noted = {paths.pidfile(name): read.noted.get(paths.started(name), "") for name in names}
    return {
        process.pidfile: process
        for process in read.found
        if process.pidfile in noted and is_our_machine(process, read.reader, noted[process.pidfile])
    }


def domain_processes(name: str, uuid: str, read: Processes) -> list[Process]:
    """Who runs as a libvirt domain: by libvirt's pidfile, else by name and UUID, which anybody might claim, too."""
    named = [each for each in read.found if each.is_qemu and each.machine == name]
    files = {path: said for path, said in read.noted.items() if path.endswith(f"/{name}.pid")}
    if pids := {said for path, said in files.items() if any(at in path for at in LIBVIRT)}:
        return [each for each in named if str(each.pid) in pids]
    return [each for each in named if uuid in each.argv] if uuid else []


def taps_held(name: str, uuid: str, read: Processes | None) -> frozenset[str]:
    """The TAPs that the one QEMU of this domain has open in our own network; none where that is not seen."""
    found = [each for each in domain_processes(name, uuid, read) if uuid in each.argv] if read else []
    here = read.reader.namespaces.get("net") if read and read.reader else None
    if len(found) != 1 or not here or found[0].namespaces.get("net") != here:
        return frozenset()
    return frozenset(found[0].taps.values())
