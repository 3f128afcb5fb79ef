"""Keeps TAPs wire-like: a script on their host that switches `tx` off whenever a driver brings it back.

The loop runs on the host, so that it is as fast however far away we are. Which device is ours we tell it, by name and
ifindex: it touches no other. Told to end, and when no word has come for some time (we were killed, or the connection was
lost), it switches `tx` on again where it had switched it off, and ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.host.apply.lock import LOOSE
from provision.runtime.command import shell
from provision.runtime.safe_text import escaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.runtime.command import Argv

TICK = 2.0
"""Seconds between two looks at all TAPs, should an event ever have been missed."""
SILENCE = 30.0
"""Seconds without a word after which the host gives us up."""

# What is in the file was switched off by us, in the boot that stands beside it: noted before it is done, and known to
# the next keeper if this one is killed.
#
# `ip` binds its socket and then dumps all links by it, and drops the events that come meanwhile; what comes after that
# waits in the socket until it listens. It opens a second netlink socket when that dump is over (iproute2 ip/ipmonitor.c,
# do_ipmonitor: rtnl_open, ll_init_map, netns_nsid_socket_init, rtnl_listen): once that is there no event is lost, and
# then the TAPs are looked at. A line of `ip`'s that begins with no device is an error of its (events were lost, by
# ENOBUFS), and then all of them are.
#
# Whether ethtool has changed anything its exit status does not tell (0 also where there was nothing to change), so
# `-k` is read before. Our own change is an event like any other, and finds nothing to do.
#
# Who began it may be lost without a word. Then it goes on until it has heard nothing for too long, and leaves its place, with
# all as it is, to the next one of the same lab that waits for it, which knows by the file what there is to put back. Who
# waits holds a lock on a second file: whether somebody waits for a lock nobody tells (/proc/locks leaves out those of
# which the taker, flock(1), is of another pid namespace, or has ended).
#
# The lock is on the file itself, so that is only ever added to: the last `by` says whose it is, and a boot with a minus
# before it that the TAP is as it was again.
#
# What runs beside the loop has the pipe for writing alone, so that it ends with the loop, however that ends. An end does not
# wait in it behind events.
_KEEP = (
    r"""
file=$1 who=$2 patience=$3 tick=$4 most=$5
next=$file.next
for p in flock ip ethtool mkfifo awk find; do command -v "$p" >/dev/null || { echo "lacks $p"; exit 0; }; done
"""
    + LOOSE
    + r"""
shift 5
set -f
umask 077
wait_for_place() {
    waits=''
    ! command exec 8>>"$next" || ! flock -w 1 8 || waits=1
    flock -w "$patience" 9 8>&-
    set -- $?
    [ -z "$waits" ] || rm -f -- "$next"
    exec 8>&-
    return "$1"
}
tries=0
while :; do # it comes and goes with who had it before, and with the directory
    tries=$((tries + 1))
    [ "$tries" -lt 6 ] || exit 1
    [ -d "${file%/*}" ] || (umask 066 && mkdir -p -- "${file%/*}") || exit 1
    why=$(loose "$file")
    [ -z "$why" ] || { echo "loose $why"; rmdir --ignore-fail-on-non-empty -- "${file%/*}"; exit 0; }
    [ ! -L "$file" ] && { [ -f "$file" ] || [ ! -e "$file" ]; } || { echo "loose $file is no ordinary file"; exit 0; }
    command exec 9>>"$file" || continue
    flock -n 9 || wait_for_place || { printf 'busy %s\n' "$(awk '/^by /{ by = $0 } END { print substr(by, 1, 400) }' "$file")"; exit 0; }
    # shellcheck disable=SC3013 # as in the lock
    [ ! "$file" -ef /proc/self/fd/9 ] || break
done
read -r boot </proc/sys/kernel/random/boot_id
without() {
    rest=' '
    for each in $2; do [ "${each%:*}" = "$1" ] || rest="$rest$each "; done
}
changed=' ' kept=' ' told=' '
while read -r at name index; do
    case $at in
        "$boot") without "$name" "$changed" && changed="$rest$name:$index " ;;
        "-$boot") without "$name" "$changed" && changed=$rest ;;
    esac
done <"$file"
noted() { printf '%s\n' "$*" >>"$file"; }
noted by "$who" || exit 1

pipe=$file.pipe
rm -f -- "$pipe"
mkfifo -- "$pipe" && exec 3<&0 4<>"$pipe" && rm -f -- "$pipe" || exit 1
loop=/proc/$$/fd/4
exec 0</dev/null 2>/dev/null
trap '' PIPE

said() { printf '%s\n' "$*" || :; } # to nobody, once its output is lost
# Not by /sys, which may be of another network than we are in (`unshare --net` alone leaves it).
index_of() { index=$(ip -o link show dev "$1") && index=${index%%:*}; }
is_it() { index_of "$1" && [ "$index" = "$2" ]; }
is_on() { case $(ethtool -k "$1") in *tx-checksum-ip-generic:\ on*) ;; *) return 1 ;; esac }
# shellcheck disable=SC3013 # as in the lock
lives() { [ "/proc/$1/fd/1" -ef "$loop" ]; }
back_on() {
    is_it "$1" "$2" || return
    ethtool -K "$1" tx on >/dev/null
    case $(ethtool -k "$1") in
        *tx-checksum-ip-generic:\ on* | *tx-checksum-ip-generic:\ off\ \[requested\ on\]*) said back "$1" "$2" ;;
        *) ! is_it "$1" "$2" || { stuck=1; said stuck "$1" "$2"; } ;;
    esac
}
put_back() {
    trap - EXIT
    trap '' INT TERM HUP
    stuck=''
    for each in $changed; do back_on "${each%:*}" "${each##*:}"; done
    [ -n "$stuck" ] || { rm -f -- "$file" "$next" && rmdir --ignore-fail-on-non-empty -- "${file%/*}"; }
    end_others
    said 'done'
    exit 0
}
end_others() {
    for each in $monitor $ticks $words; do ! lives "$each" || kill "$each"; done
}
monitor='' ticks='' words=''
trap put_back EXIT
trap 'exit' INT TERM HUP
{
    while read -r words; do
        # shellcheck disable=SC3013 # as in the lock
        [ "$words" != end ] || [ ! "$loop" -ef /proc/self/fd/1 ] || kill "$$"
        printf '=%s\n' "$words"
    done
    echo '=over'
} <&3 >"$loop" 2>/dev/null 3<&- 4>&- 9>&- &
words=$!
exec 3<&-

listens() {
    socket=$(find "/proc/$monitor/fd" -maxdepth 1 -lname 'socket:*' -printf '%p %l\n' | awk '
        NR == FNR { if ($2 == 0) groups["socket:[" $10 "]"] = $4; next }
        $2 in groups { n++ }
        $2 in groups && groups[$2] != "00000000" { found = $0 }
        END { if (n > 1) print found }' /proc/net/netlink -)
    [ -n "$socket" ]
}
listen() {
    ip -o monitor link </dev/null >"$loop" 2>&1 4>&- 9>&- &
    monitor=$!
    {
        trap 'kill "$!"; exit' TERM
        trap '' PIPE
        while sleep "$tick" & wait "$!"; do echo '=tick' || break; done
        # The loop was killed, and `ip` would only end at its next event.
        case $(tr '\0' ' ' <"/proc/$monitor/cmdline") in *'ip -o monitor link ') kill "$monitor" ;; esac
    } </dev/null >"$loop" 2>/dev/null 4>&- 9>&- &
    ticks=$!
    tries=0
    until listens; do
        tries=$((tries + 1))
        [ "$tries" -lt 250 ] && lives "$monitor" || { said deaf; monitor=''; exit; }
        sleep 0.02
    done
}
listen
still_listens() { [ "$(readlink "${socket% *}")" = "${socket#* }" ]; }
waited_for() { [ -e "$next" ] && ! flock -n "$next" true; }

look() {
    index_of "$1"
    case $kept in
        *" $1:$index "*) ;;
        *" $1:"*) without "$1" "$kept" && kept=$rest && said gone "$1" ;;
    esac
    case $kept in
        *" $1:$index "*) ;;
        *)
            case $told in *" $1:$index "*) ;; *) [ -z "$index" ] || { told="$told$1:$index " && said there "$1" "$index"; } ;; esac
            return
            ;;
    esac
    is_on "$1" || return
    case $changed in
        *" $1:$index "*) ;;
        *)
            noted "$boot" "$1" "$index" || { said failed "$1" "$index" it cannot be noted; return; }
            without "$1" "$changed" && changed="$rest$1:$index "
            ;;
    esac
    # shellcheck disable=SC2086 # its words, on one line
    why=$(ethtool -K "$1" tx off 2>&1) || { said failed "$1" "$index" $why; return; }
    if is_on "$1"; then said failed "$1" "$index" it is on all the same; else said off "$1" "$index"; fi
}
look_at_all() {
    for tap in $taps; do look "$tap"; done
}
take() {
    is_it "$1" "$2" || return
    case $kept in *" $1:$2 "*) return ;; esac
    without "$1" "$kept" && kept="$rest$1:$2 "
    said kept "$1" "$2"
    look "$1"
}
leave() {
    case $kept in *" $1:$2 "*) without "$1" "$kept" && kept=$rest ;; *) return ;; esac
    case $changed in
        *" $1:$2 "*)
            back_on "$1" "$2"
            without "$1" "$changed" && changed=$rest && noted "-$boot" "$1" "$2"
            ;;
    esac
}
look_if_ours() {
    for tap in $taps; do case $1 in "$tap:" | "$tap@"*) look "$tap" ;; esac; done
}

taps=$*
said listening
for tap in $taps; do index_of "$tap" || said gone "$tap"; done
look_at_all
quiet=0 alone=''
while read -r first second third _ <&4; do
    case $first in
        =tick)
            quiet=$((quiet + 1))
            [ "$quiet" -le "$most" ] || { said silence; exit; }
            [ -n "$alone" ] || lives "$words" || alone=1
            [ -z "$alone" ] || ! waited_for || { trap - EXIT; end_others; exit 0; }
            still_listens || { kill "$ticks"; listen; }
            told=' '
            look_at_all
            ;;
        =beat)
            quiet=0
            said here
            lives "$ticks" || { ! still_listens || kill "$monitor"; listen; }
            ;;
        =take) take "$second" "$third" ;;
        =leave) leave "$second" "$third" ;;
        =end) exit ;;
        =over) words='' alone=1 ;;
        [0-9]*:) look_if_ours "$second" ;;
        Deleted) look_if_ours "$third" ;;
        *) look_at_all ;;
    esac
done
"""
)

SCRIPTS = {"keep": _KEEP}
"""Every constant script above, for the linter."""


def keep_wire_like(file: str, who: str, patience: float, taps: Sequence[str]) -> Argv:
    """What keeps these TAPs on a host, once it is told which of them are ours.

    :param file: the lab's keeper's.
    :param patience: seconds to wait for the keeper before, where there may be one.
    """
    return shell(_KEEP, file, escaped(who), f"{patience:g}", f"{TICK:g}", f"{SILENCE / TICK:.0f}", *taps).argv
