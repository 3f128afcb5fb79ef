"""What is asked of a host's physical NICs, and what the answers come to; part of the one batch that reads a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.command import NOT_FOUND, Run
from provision.errors import UnreadableError
from provision.facts.coalesce import parse_coalesce, parse_coalesce_json
from provision.facts.ethtool import parse_features
from provision.facts.linkfile import parse_permanent_mac
from provision.found import NicFound
from provision.links import link_path
from provision.steps import shell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from provision.command import Result
    from provision.facts.coalesce import Coalesce
    from provision.facts.ethtool import Features
    from provision.spec import Lab

_NAMING = r"""
f=$(udevadm info -q property -p "/sys/class/net/$1" 2>/dev/null | sed -n 's/^ID_NET_LINK_FILE=//p')
[ -f "$f" ] || f=/usr/lib/systemd/network/99-default.link
[ ! -f "$f" ] || cat -- "$f" "/etc/systemd/network/${f##*/}.d"/*.conf 2>/dev/null
true"""
"""The .link file that applies to a NIC, and its drop-ins; the default where udev has not said."""
_OWNER = 'nmcli -t -f GENERAL.CON-UUID,GENERAL.STATE,GENERAL.NM-MANAGED device show "$1" 2>/dev/null; true'
# systemd takes an empty file, or a link to /dev/null, for one that hides others of its name: that is somebody's too.
_LINK = r"""
if [ -L "$1" ]; then
    echo "# a link to $(readlink -- "$1")"
elif [ -e "$1" ] && [ ! -s "$1" ]; then
    echo "# an empty file"
elif [ -e "$1" ]; then
    cat -- "$1"
fi"""
_VERSION = "udevadm --version 2>/dev/null; true"

SCRIPTS = {"link": _LINK, "naming": _NAMING, "owner": _OWNER, "version": _VERSION}
"""Every constant script above, for the linter."""

_EACH = 7


def nic_questions(lab: Lab, host: str) -> list[Run]:
    """Seven of each NIC that the lab file declares, in its order; JSON and text where one ethtool has no JSON."""
    return [
        question
        for name in lab.host(host).nics
        for question in (
            Run(("ethtool", "--json", "-k", name)),
            Run(("ethtool", "-c", name)),
            Run(("ethtool", "--json", "-c", name)),
            Run(("ethtool", "-P", name)),
            shell(_LINK, link_path(lab.name, name)),
            shell(_NAMING, name),
            shell(f"{_OWNER}; {_VERSION}", name),
        )
    ]


def parse_nics(lab: Lab, host: str, answers: Sequence[Result]) -> Mapping[str, NicFound]:
    """Each NIC, out of the answers to `nic_questions`.

    :raise HostError: when our own .link file cannot be read.
    """
    names = list(lab.host(host).nics)
    return {name: _nic(name, answers[_EACH * at : _EACH * (at + 1)]) for at, name in enumerate(names)}


def _nic(name: str, answers: Sequence[Result]) -> NicFound:
    features, text, document, permanent, link, naming, owner = answers
    found, no_features = _features(name, features)
    coalesce, no_coalesce = _coalesce(text, document)
    rows = dict(row.split(":", 1) for row in owner.out.splitlines() if ":" in row)
    managed = rows.get("GENERAL.NM-MANAGED") == "yes" and "externally" not in rows.get("GENERAL.STATE", "")
    version = [line for line in owner.out.splitlines() if line.isdecimal()]
    return NicFound(
        features=found,
        coalesce=coalesce,
        trouble=no_features or no_coalesce,
        permanent_mac=_permanent(permanent),
        link=link.check().out,
        naming=naming.out,
        connection=rows.get("GENERAL.CON-UUID", "") if managed else "",
        systemd=int(version[0]) if version else None,
    )


def _features(name: str, answer: Result) -> tuple[Features | None, str]:
    if not answer.ok:
        return None, "ethtool is not installed" if answer.status == NOT_FOUND else answer.err.strip()
    try:
        found = parse_features(answer.out).get(name)
    except UnreadableError as error:
        return None, str(error)
    return found, "" if found is not None else "ethtool says nothing of it"


def _tried(answers: Sequence[Result]) -> Iterator[tuple[Coalesce | None, str]]:
    for answer, parse in zip(answers, (parse_coalesce, parse_coalesce_json), strict=True):
        if not answer.ok:
            yield None, answer.err.strip()
            continue
        try:
            yield parse(answer.out), ""
        except UnreadableError as error:
            yield None, str(error)


def _coalesce(text: Result, document: Result) -> tuple[Coalesce | None, str]:
    """By the text, which every version prints; by the JSON where that cannot be read; else why neither can."""
    tried = list(_tried((text, document)))
    return next((row for row in tried if row[0] is not None), tried[0])


def _permanent(answer: Result) -> str:
    try:
        return parse_permanent_mac(answer.out) if answer.ok else ""
    except UnreadableError:
        return ""  # one that cannot be read is one that a .link file cannot match
