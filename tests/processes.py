"""What the script that reads processes answers, of processes that a test makes up."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

NAMESPACES = {"mnt": "mnt:[1]", "net": "net:[2]", "pid": "pid:[3]"}
PROGRAM = "/usr/bin/qemu-system-x86_64"


def proc_text(
    argvs: Mapping[int, Sequence[str]],
    *,
    exe: str = PROGRAM,
    uid: int = 0,
    name: str = "qemu-system-x86",
    stats: Sequence[int] = (100, 100),
    namespaces: Mapping[str, str] = NAMESPACES,
    more: Sequence[tuple[str, str]] = (),
    taps: Mapping[int, str] | None = None,
    files: Mapping[str, str] | None = None,
    state: str = "S",
) -> str:
    """Processes by their pids, all alike but for their arguments, as /proc of Linux 6.18 tells them.

    :param stats: the start times that were read of each, first and last.
    :param more: paths below /proc/PID and what is in them.
    :param taps: the TAP that each process holds.
    :param files: what else was read, by its name.
    """

    def stat(pid: int, started: int) -> tuple[str, str]:
        return f"/proc/{pid}/stat", f"{pid} ({name}) {state} {' '.join(['1'] * 18)} {started} 4096 1\n"

    def status(pid: int | str, user: int) -> tuple[str, str]:
        return f"/proc/{pid}/status", f"Name:\t{name}\nUid:\t{user}\t{user}\t{user}\t{user}\n"

    rows = [stat(pid, stats[0]) for pid in argvs] + [status("self", 0)]
    for pid, argv in argvs.items():
        rows += [status(pid, uid), *((f"/proc/{pid}/cmdline", word) for word in argv)]
    rows += [(f"/proc/self/ns/{name}", link) for name, link in NAMESPACES.items()]
    for pid in argvs:
        rows += [(f"/proc/{pid}/exe", exe)] if exe else []
        rows += [(f"/proc/{pid}/ns/{name}", link) for name, link in namespaces.items()]
        rows += [(f"/proc/{pid}/{path}", said) for path, said in more]
        rows += [(f"/proc/{pid}/fdinfo/8", f"iff:\t{taps[pid]}\n")] if taps and pid in taps else []
    rows += [stat(pid, stats[-1]) for pid in argvs] + [*(files or {}).items()]
    rows.append(("end", ""))
    return base64.b64encode("".join(f"{path}\0{said}\0" for path, said in rows).encode()).decode()
