"""Reads a host's declared physical NICs: features, coalescing, .link files, NetworkManager."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from provision.facts.ethtool_coalesce import parse_coalesce, parse_coalesce_json
from provision.facts.ethtool_features import parse_features
from provision.facts.link_file import parse_permanent_mac
from provision.host.state import NicState
from provision.render.link_file import link_path
from provision.runtime.command import NOT_FOUND, Run, shell
from provision.runtime.errors import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from provision.facts.ethtool_coalesce import Coalesce
    from provision.facts.ethtool_features import Features
    from provision.lab.spec import HostNic, Lab
    from provision.runtime.command import Result

# Drop-ins go by their names, whichever directory they are in; of two of one name that in /etc has its way.
_NAMING = r"""
f=$(udevadm info -q property -p "/sys/class/net/$1" 2>/dev/null | sed -n 's/^ID_NET_LINK_FILE=//p')
[ -f "$f" ] || f=$2/usr/lib/systemd/network/99-default.link
[ -f "$f" ] || exit 0
printf '# %s\n' "$f"
cat -- "$f"
more=systemd/network/${f##*/}.d
for c in "$2"/etc/$more/*.conf "$2"/run/$more/*.conf "$2"/usr/local/lib/$more/*.conf "$2"/usr/lib/$more/*.conf; do
    echo "${c##*/}"
done | LC_ALL=C sort -u | while IFS= read -r name; do
    for at in etc run usr/local/lib usr/lib; do
        [ -e "$2/$at/$more/$name" ] || continue
        echo
        cat -- "$2/$at/$more/$name"
        break
    done
done
true"""
"""The .link file that applies to a NIC, its path first, and its drop-ins; the default where udev has not said."""
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

Question = tuple[str, Run]
"""What it tells, and the command."""


def _set_questions(name: str, *, coalesce: bool) -> Iterator[Question]:
    """What can be set, as it is; JSON and text where one ethtool has no JSON."""
    yield "features", Run(("ethtool", "--json", "-k", name))
    if coalesce:
        yield "coalesce", Run(("ethtool", "-c", name))
        yield "coalesce JSON", Run(("ethtool", "--json", "-c", name))


def _kept_questions(lab: Lab, name: str, settings: HostNic) -> Iterator[Question]:
    """What keeps it so; whose the NIC is matters only where we are to keep it."""
    yield "link", shell(_LINK, link_path(lab.name, name))
    if settings.persist == "link":
        yield "permanent", Run(("ethtool", "-P", name))
        yield "naming", shell(_NAMING, name, "")
        yield "owner", shell(f"{_OWNER}; {_VERSION}", name)


def _asked(lab: Lab, host: str, *, kept: bool) -> Iterator[tuple[str, list[Question]]]:
    for name, settings in lab.host(host).nics.items():
        yield (
            name,
            [
                *_set_questions(name, coalesce=bool(settings.coalesce)),
                *(_kept_questions(lab, name, settings) if kept else ()),
            ],
        )


def nic_questions(lab: Lab, host: str, *, kept: bool = True) -> list[Run]:
    """What is asked of the NICs that the lab file declares, in its order; not `kept` leaves out what keeps settings."""
    return [run for _, questions in _asked(lab, host, kept=kept) for _, run in questions]


def parse_nics(
    lab: Lab, host: str, answers: Sequence[Result], *, kept: bool = True
) -> Mapping[str, NicState]:
    """Each NIC, out of the answers to `nic_questions`.

    :raise HostError: when our own .link file cannot be read.
    """
    left = iter(answers)
    return {
        name: _nic(name, {what: next(left) for what, _ in questions})
        for name, questions in _asked(lab, host, kept=kept)
    }


def settings_questions(name: str) -> list[Run]:
    """What is asked of one NIC, which need not be declared; `parse_settings` reads the answers."""
    return [run for _, run in _set_questions(name, coalesce=True)]


def parse_settings(name: str, answers: Sequence[Result]) -> NicState:
    """One NIC as it is set."""
    questions = _set_questions(name, coalesce=True)
    return _nic(name, {what: answer for (what, _), answer in zip(questions, answers, strict=True)})


def _nic(name: str, told: Mapping[str, Result]) -> NicState:
    found, no_features = _features(name, told["features"])
    coalesce, no_coalesce = _coalesce([told[way] for way in ("coalesce", "coalesce JSON") if way in told])
    owner = told["owner"].out if "owner" in told else ""
    naming = told["naming"].out if "naming" in told else ""
    rows = dict(row.split(":", 1) for row in owner.splitlines() if ":" in row)
    managed = rows.get("GENERAL.NM-MANAGED") == "yes" and "externally" not in rows.get("GENERAL.STATE", "")
    version = re.findall(r"^(\d+)[^:\n]*$", owner, re.MULTILINE | re.ASCII)
    return NicState(
        features=found,
        coalesce=coalesce,
        trouble=no_features or no_coalesce,
        permanent_mac=_permanent(told["permanent"]) if "permanent" in told else "",
        link=told["link"].check().out if "link" in told else "",
        naming=naming,
        naming_file=naming.partition("\n")[0].removeprefix("# ") if naming.startswith("# /") else "",
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


def _coalesce(answers: Sequence[Result]) -> tuple[Coalesce | None, str]:
    """By the text, which every version prints; by the JSON where that cannot be read; else why neither can."""
    tried = list(_tried(answers)) if answers else [(None, "")]
    return next((row for row in tried if row[0] is not None), tried[0])


def _permanent(answer: Result) -> str:
    try:
        return parse_permanent_mac(answer.out) if answer.ok else ""
    except UnreadableError:
        return ""  # one that cannot be read is one that a .link file cannot match
