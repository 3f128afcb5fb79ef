"""Plain data as a lab file's text whose places are known."""

from __future__ import annotations

import json
import re
from typing import Any

Where = tuple[str | int, ...]
Place = tuple[int, int]

_UNWRITTEN = re.compile("[\x7f-\x9f\ud800-\udfff\u2028\u2029\ufeff\ufffe\uffff]")


class Written:
    """Plain data as YAML in flow style, and where each value and each key stands in it, from line 1 and column 1."""

    def __init__(self, data: Any, *, wrap: int = 7) -> None:
        self.text = ""
        self.values: dict[Where, Place] = {}
        self.keys: dict[Where, Place] = {}
        self._wrap = wrap
        self._write(data, ())

    def _place(self) -> Place:
        return self.text.count("\n") + 1, len(self.text) - self.text.rfind("\n")

    def _quoted(self, text: str) -> None:
        self.text += _UNWRITTEN.sub(lambda c: f"\\u{ord(c[0]):04x}", json.dumps(text, ensure_ascii=False))

    def _write(self, data: Any, where: Where) -> None:
        self.values[where] = self._place()
        if isinstance(data, str):
            self._quoted(data)
        elif not isinstance(data, dict | list):
            self.text += json.dumps(data)
        else:
            self.text += "{" if isinstance(data, dict) else "["
            for at, (key, value) in enumerate(data.items() if isinstance(data, dict) else enumerate(data)):
                if at:
                    self.text += ",\n  " if len(self.values) % self._wrap == 0 else ", "
                if isinstance(data, dict):
                    self.keys[*where, key] = self._place()
                    self._quoted(key)
                    self.text += ": "
                self._write(value, (*where, key))
            self.text += "}" if isinstance(data, dict) else "]"
