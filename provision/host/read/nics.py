"""Reads a host's declared physical NICs: features, coalescing, .link files, NetworkManager."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from provision.facts.ethtool_coalesce import parse_coalesce, parse_coalesce_json
from provision.facts.ethtool_features import parse_features
from provision.facts.link_file import parse_permanent_mac
from provision.host.state import NicSettings, NicState
from provision.render.link_file import link_path
from provision.runtime.command import NOT_FOUND, Run, shell
from provision.runtime.errors import UnreadableError
from provision.runtime.questions import Question, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from provision.facts.ethtool_coalesce import Coalesce
    from provision.facts.ethtool_features import Features
    from provision.lab.spec import HostNic, Lab
    from provision.runtime.command import Result
    from provision.runtime.protocols import Runner
    from provision.runtime.questions import Answers

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


class _SettingsQuestions:
    """What is asked of what can be set of one NIC; JSON and text where one ethtool has no JSON."""

    def __init__(self, name: str, *, coalesce: bool) -> None:
        self._features = Question(
            Run(("ethtool", "--json", "-k", name)), lambda answer: _features(name, answer)
        )
        ways = (((), parse_coalesce), (("--json",), parse_coalesce_json)) if coalesce else ()
        self._coalesce = [
            Question(Run(("ethtool", *option, "-c", name)), _tried(parse)) for option, parse in ways
        ]

    @property
    def questions(self) -> list[Question[Any]]:
        return [self._features, *self._coalesce]

    def settings(self, answers: Answers) -> NicSettings:
        """Coalescing by the text, which every version prints; by the JSON where that cannot be read; else why neither."""
        features, no_features = answers[self._features]
        tried = [answers[question] for question in self._coalesce] or [(None, "")]
        coalesce, no_coalesce = next((row for row in tried if row[0] is not None), tried[0])
        return NicSettings(features, coalesce, no_features or no_coalesce)


class _NicQuestions(_SettingsQuestions):
    """What is asked of one declared NIC; whose it is matters only where we are to keep its settings."""

    def __init__(self, lab: Lab, name: str, settings: HostNic) -> None:
        super().__init__(name, coalesce=bool(settings.coalesce))
        self._link = Question(shell(_LINK, link_path(lab.name, name)), lambda answer: answer.check().out)
        self._permanent = Question(Run(("ethtool", "-P", name)), _permanent)
        self._naming = Question(shell(_NAMING, name, ""), lambda answer: answer.out)
        self._owner = Question(shell(f"{_OWNER}; {_VERSION}", name), lambda answer: answer.out)
        self._kept = settings.persist == "link"

    @property
    def questions(self) -> list[Question[Any]]:
        kept = [self._permanent, self._naming, self._owner] if self._kept else []
        return [*super().questions, self._link, *kept]

    def nic(self, answers: Answers) -> NicState:
        settings = self.settings(answers)
        naming, owner = answers.get(self._naming, ""), answers.get(self._owner, "")
        rows = dict(row.split(":", 1) for row in owner.splitlines() if ":" in row)
        managed = rows.get("GENERAL.NM-MANAGED") == "yes" and "externally" not in rows.get(
            "GENERAL.STATE", ""
        )
        version = re.findall(r"^(\d+)[^:\n]*$", owner, re.MULTILINE | re.ASCII)
        return NicState(
            settings.features,
            settings.coalesce,
            settings.trouble,
            permanent_mac=answers.get(self._permanent, ""),
            link=answers[self._link],
            naming=naming,
            naming_file=naming.partition("\n")[0].removeprefix("# ") if naming.startswith("# /") else "",
            connection=rows.get("GENERAL.CON-UUID", "") if managed else "",
            systemd=int(version[0]) if version else None,
        )


class NicQuestions:
    """What is asked of every NIC that the lab file declares for a host, and what the answers come to."""

    def __init__(self, lab: Lab, host: str) -> None:
        self._nics = {name: _NicQuestions(lab, name, nic) for name, nic in lab.host(host).nics.items()}

    @property
    def questions(self) -> list[Question[Any]]:
        """Every question, for the one batch that they go in."""
        return [question for nic in self._nics.values() for question in nic.questions]

    def nics(self, answers: Answers) -> dict[str, NicState]:
        """Each NIC.

        :raise HostError: when our own .link file cannot be read.
        """
        return {name: nic.nic(answers) for name, nic in self._nics.items()}


def read_settings(runner: Runner, nics: Mapping[str, bool]) -> dict[str, NicSettings]:
    """What can be set of these NICs, declared or not, in one round trip: for reading back.

    :param nics: whether their coalescing is asked, too.
    :raise HostError: when the host does not answer.
    """
    about = {name: _SettingsQuestions(name, coalesce=coalesce) for name, coalesce in nics.items()}
    answers = ask(runner, [question for nic in about.values() for question in nic.questions])
    return {name: nic.settings(answers) for name, nic in about.items()}


def _features(name: str, answer: Result) -> tuple[Features | None, str]:
    if not answer.ok:
        return None, "ethtool is not installed" if answer.status == NOT_FOUND else answer.err.strip()
    try:
        found = parse_features(answer.out).get(name)
    except UnreadableError as error:
        return None, str(error)
    return found, "" if found is not None else "ethtool says nothing of it"


def _tried(parse: Callable[[str], Coalesce]) -> Callable[[Result], tuple[Coalesce | None, str]]:
    def tried(answer: Result) -> tuple[Coalesce | None, str]:
        if not answer.ok:
            return None, answer.err.strip()
        try:
            return parse(answer.out), ""
        except UnreadableError as error:
            return None, str(error)

    return tried


def _permanent(answer: Result) -> str:
    try:
        return parse_permanent_mac(answer.out) if answer.ok else ""
    except UnreadableError:
        return ""  # one that cannot be read is one that a .link file cannot match
