"""How a script is handed to a guest: a command line that is the same for all, and the script at its stdin."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

from provision.runtime.command import Run

if TYPE_CHECKING:
    from provision.runtime.guest_channel import Script

_END = "."
"""Ends the line that has a script, and is in no base64: a script that came but half is not run."""

_BOOTSTRAP = (
    "$ErrorActionPreference='Stop';$ProgressPreference='SilentlyContinue';"
    "$line=(-join @($input)).Trim();"
    f"if(-not $line.EndsWith('{_END}')){{throw 'rscvm: the script did not come whole'}};"
    "$bytes=[Convert]::FromBase64String($line.Substring(0,$line.Length-1));"
    "&([ScriptBlock]::Create([Text.Encoding]::UTF8.GetString($bytes)))"
)
"""Reads one line of base64 and runs what is in it.

PowerShell itself reads a redirected stdin and gives it as `$input`: who reads it by [Console]::In races with that.
"""

LONGEST_LINE = 8000
"""Characters of a command line; cmd.exe, which is OpenSSH's shell on Windows, takes 8,191."""


def as_run(script: Script) -> Run:
    """The command that runs a script in a guest; none of its words needs quoting in cmd.exe, PowerShell or sh."""
    if script.shell == "sh":
        return Run(("sh", "-s"), script.text)
    line = b64encode(script.text.encode()).decode("ascii")
    return Run((*_POWERSHELL, encoded_command(_BOOTSTRAP)), f"{line}{_END}\n")


def encoded_command(text: str) -> str:
    """A command as PowerShell's -EncodedCommand takes it: base64 of UTF-16, with blanks so that it ends in no `=`."""
    octets = text.encode("utf-16-le")
    return b64encode(octets + b" \0" * (len(octets) % 3)).decode("ascii")


_POWERSHELL = (
    "powershell.exe",
    "-NoLogo",
    "-NoProfile",
    "-NonInteractive",
    "-ExecutionPolicy",
    "Bypass",
    "-OutputFormat",  # else what it says to stderr is XML where its command is encoded
    "Text",
    "-EncodedCommand",
)
