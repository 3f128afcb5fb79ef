"""Brings a lab up on its host `hv`, says how that went, and takes it down again: LAB."""

from __future__ import annotations

import json
import sys

from provision.cli.labs import edges_of, read_lab
from provision.cli.output import Output
from provision.deadline import Deadline
from provision.lifecycle import Site, bring_up, check, planned, status, take_down


def main() -> None:
    lab = read_lab(sys.argv[1])
    names = list(lab.machines)
    with edges_of(lab, Output()) as edges:
        site = Site(edges, lab, "hv", "the upper")
        _, verdicts = bring_up(site, names, lambda _: None, Deadline(60))
        seen = {
            "verdicts": [verdict.verdict for verdict in verdicts],
            "again": [step.what for step in planned(site, names).steps],
            "states": [row.state for row in status(site, names)],
            "checked": [verdict.verdict for verdict in check(site, names)],
        }
        take_down(site, None, lambda _: None)
    json.dump(seen, sys.stdout)


main()
