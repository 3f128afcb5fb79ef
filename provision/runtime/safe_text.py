"""Text from outside, made safe for a terminal and cut to fit."""

from __future__ import annotations

import json


def escaped(text: str) -> str:
    """The text with control characters spelled out, so that it stays on its line and steers no terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def json_text(document: object, *, indent: int | None = None) -> str:
    """The document as JSON in which what steers a terminal is spelled out, and all that can be read stands as it is."""
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def short(text: str, most: int = 2000) -> str:
    """The text on one line without control characters, and without its end where that is far off."""
    return escaped(text) if len(text) <= most else f"{escaped(text[:most])} …"


def quoted(text: str, *, lines: int = 6, most: int = 300) -> str:
    """What somebody else said, for a message of ours: its last lines, each cut and without control characters.

    All but the first are indented: at the margin only our own stand.
    """
    last = text.strip()[-4 * lines * most :].splitlines()[-lines:]
    return "\n  ".join(short(line.strip(), most) for line in last)


def cell(text: str, most: int) -> str:
    """The text on one line without control characters, cut to so many columns of a terminal.

    No more characters than columns stay: what piles up on one column (combining marks) is cut, too.
    """
    from rich.cells import cell_len, set_cell_size  # noqa: PLC0415 - only where a person reads

    plain = escaped(text[: most + 1])
    if len(plain) <= most and cell_len(plain) <= most:
        return plain
    if most < 1:
        return ""
    kept = plain[: most - 1]
    return f"{set_cell_size(kept, most - 1).rstrip() if cell_len(kept) > most - 1 else kept}…"
