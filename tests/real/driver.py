"""Does what its input says with real edges, and prints how that ended: [{host: target}, [step, …]], in JSON.

As `driver.py talk` it is told {host: target} and then a step a line, and answers each by a line.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from provision.edges.wiring import RealEdges
from provision.runtime.command import Result, Run
from provision.runtime.errors import LostError, RscvmError
from provision.runtime.guest_channel import GuestWay, Script
from provision.runtime.places import Listener, Target
from provision.runtime.protocols import Domain

interrupted: list[int] = []


def told(results: list[Result] | tuple[object, ...]) -> list[dict[str, Any]]:
    return [{"status": r.status, "out": r.out, "err": r.err} for r in results if isinstance(r, Result)]


def taken(edges: RealEdges, step: dict[str, Any]) -> dict[str, Any]:
    """How one step ended."""
    name = step.get("host", "hv")
    if "libvirt" in step:
        said = getattr(edges.libvirt(name), step["libvirt"])(*step.get("with", ()))
        return {"said": asdict(said) if isinstance(said, Domain) else said}
    if "monitor" in step:
        with edges.monitor(name, step["monitor"], Listener(*step.get("listener", ()))) as monitor:
            return {"said": [monitor.execute(command) for command in step["execute"]], "peer": monitor.peer}
    if "guest" in step:
        return of_guest(edges, name, step)
    if "interrupt" in step:
        os.killpg(0, signal.SIGINT)
        return {"said": interrupted}
    host = edges.host(name)
    with ExitStack() as held:
        before = told([held.enter_context(host.hold(step["hold"]))]) if "hold" in step else []
        runs = [Run(tuple(argv), stdin) for argv, stdin in step["runs"]]
        options = {key: step[key] for key in ("timeout", "until_failure") if key in step}
        return {"results": [*before, *told(host.run_all(runs, **options))]}


def of_guest(edges: RealEdges, name: str, step: dict[str, Any]) -> dict[str, Any]:
    """What a guest of the host's says: the system, or how a script ended."""
    way = dict(step["guest"])
    if "target" in way:
        way["target"] = Target(**way["target"])
    with edges.guest(name, GuestWay(**way)) as guest:
        if "script" not in step:
            return {"said": guest.system()}
        script = Script(step.get("by", "sh"), "words", step["script"])
        return {"results": told([guest.run(script, timeout=step["timeout"])])}


def answered(edges: RealEdges, step: dict[str, Any]) -> dict[str, Any]:
    """How one step ended, if by an error of ours."""
    try:
        return taken(edges, step)
    except RscvmError as error:
        known = told(error.known) if isinstance(error, LostError) else []
        answer = {"error": type(error).__name__, "message": str(error), "hint": error.hint}
        return {**answer, "known": known}


def edges_to(targets: dict[str, dict[str, Any]]) -> RealEdges:
    return RealEdges({name: Target(**target) for name, target in targets.items()})


def main() -> None:
    os.setpgid(0, 0)  # what we start is in it, and nobody else, as in a terminal's foreground
    signal.signal(signal.SIGINT, lambda number, _: interrupted.append(number))
    if sys.argv[1:] == ["talk"]:
        with edges_to(json.loads(sys.stdin.readline())) as edges:
            for line in sys.stdin:
                sys.stdout.write(json.dumps(answered(edges, json.loads(line))) + "\n")
                sys.stdout.flush()
        return
    targets, steps = json.load(sys.stdin)
    with edges_to(targets) as edges:
        answers = [answered(edges, step) for step in steps]
    json.dump(answers, sys.stdout)


main()
