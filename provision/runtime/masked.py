"""Masks what may be a secret in others' words: QEMU's arguments, libvirt's XML, URLs, Proxmox's lines.

What is masked judges as before: names, ids, paths and addresses stay. Text is changed in place, never parsed and
written anew, so that all else stays to the letter.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from provision.runtime.untrusted import MOST_VALUES, with_strings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MARK = "***"

KEYS = (
    "access_token",
    "cipassword",  # Proxmox's, for cloud-init
    "cookie",  # of QEMU's curl driver
    "data",  # of `-object secret`
    "api_key",
    "apikey",
    "guestfwd",  # a program with its arguments
    "headers",  # of QEMU's curl driver
    "key",  # of an rbd image
    "pass",
    "passphrase",
    "passwd",  # of libvirt's graphics
    "password",
    "proxy-password",  # of QEMU's curl driver
    "psk",
    "pw",
    "secret",
    "sig",  # of a signed URL
    "signature",
    "token",
    "x-amz-security-token",
    "x-amz-signature",
    "x-goog-signature",
)
"""TABLE: what a secret is called. What ends in `-secret` or `id` only names one, and stays."""

WHOLE = ("append", "fw_cfg", "incoming", "smbios")
"""Options of QEMU whose value may have a secret anywhere: a kernel's command line, credentials for systemd, commands."""

TEXTS = (*KEYS, "cmdline", "entry", "initarg", "initenv")
"""XML elements whose text is masked: beside the keys what libvirt makes WHOLE of."""

_OF_DMI = r"""\sname=(["'])[a-z]+\1"""
"""How an `entry` of SMBIOS is named that every machine has, such as its manufacturer; others are anybody's words."""

ATTRIBUTES = (*KEYS, "query")
"""XML attributes that are masked: beside the keys an image's URL's end."""

IN_JSON = (*KEYS, "cmdline")
"""Keys of JSON: beside the keys a lab's word for a kernel's command line."""

# Texts, since few commands mask anything: `re` compiles and keeps them when they are first used.
_SWITCHES = r"(?:on|off|yes|no|true|false)"
_KEY = rf"(?:[\w-]+\.)*(?:\w*_)?(?:{'|'.join(KEYS)})"
_OPTION = rf"(?i)(?P<key>(?:^|(?<=[,:;?&])){_KEY}=)(?!{_SWITCHES}(?:,|$))(?:[^,]|,,)++"
_IN_TEXT = rf"(?i)(?P<key>(?<![\w.-]){_KEY}=|(?<!\w)cipassword:[ \t]+)(?!{_SWITCHES}\b)(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s\"'<>&]+)"
_JSON_KEY = rf"(?:[\w-]+\.)*(?:{'|'.join(IN_JSON)})"
_IN_JSON = rf'(?i)(?P<key>"{_JSON_KEY}"\s*:\s*")(?:[^"\\]|\\.)++'
_IN_JSON_IN_JSON = rf'(?i)(?P<key>\\"{_KEY}\\"\s*:\s*\\")(?:(?!\\").)++'
_USER = r"(?P<key>://[^\s/:@?#\"'<>]*:)[^\s/?#\"'<>]*(?=@)"
_ISCSI = r"(?P<key>iscsi://[^\s/:@?#%\"'<>]*%)[^\s/?#\"'<>]*(?=@)"
_HEADER = r"(?i)(?P<key>\bauthorization:[ \t]*\w+[ \t]+)[^\s\"'<>]+"
_WORDS = rf"(?i)(?P<key>(?<!\S)--?(?:{'|'.join(KEYS)})[ \t]+)(?!-)[^\s\"'<>]+"
_QUERY = r"(?P<key>https?://[^\s?\"'<>,]*\?)[^\s\"'<>,]+|https?://[^\s?\"'<>,]*"
"""What has no query is found, too, and left as it is, so that nothing is looked through again from within it."""
_EVERYWHERE = (_QUERY, _USER, _ISCSI, _IN_JSON, _IN_JSON_IN_JSON, _HEADER)

_ATTRIBUTE = (
    r"""(?P<before>\s+(?P<name>[\w:.-]+)\s*=\s*)(?P<quote>["'])(?P<value>(?:(?!(?P=quote))[^<])*)(?P=quote)"""
)
_TAG = r"""<(?P<tag>[\w:.-]+)(?P<attributes>(?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)(?P<open>\s*>)?(?P<text>[^<]*)"""


def _masked(found: re.Match[str]) -> str:
    return found[0] if found["key"] is None else f"{found['key']}{MARK}"


def masked_word(word: str) -> str:
    """One argument of QEMU's, or a value in XML, without secrets."""
    for pattern in (*_EVERYWHERE, _OPTION):
        word = re.sub(pattern, _masked, word)
    return word


def masked_text(text: str) -> str:
    """Words for people, as of an error or of a pasted line, without secrets."""
    for pattern in (*_EVERYWHERE, _IN_TEXT, _WORDS):
        text = re.sub(pattern, _masked, text)
    return text


def masked_arguments(words: Iterable[str]) -> Iterator[str]:
    """A command's words without secrets."""
    before = ""
    for word in words:
        yield MARK if before.startswith("-") and before.lstrip("-") in WHOLE else masked_word(word)
        before = word


def masked_json(value: object) -> object:
    """What JSON said, without secrets."""
    match value:
        case str():
            return masked_word(value)
        case dict():
            return {
                key: MARK if isinstance(each, str) and _is_secrets(str(key)) else masked_json(each)
                for key, each in value.items()
            }
        case list() | tuple():
            return [masked_json(each) for each in value]
        case _:
            return value


def _is_secrets(key: str) -> bool:
    return key.rpartition(".")[2].lower() in IN_JSON


def masked_document(text: str, most: int = MOST_VALUES) -> str:
    """The text of a JSON document without secrets; it stays one, and all else of it stays to the letter.

    :raise ValueError: when it is none, or has more values than that.
    """
    return with_strings(text, cache(_masked_string), most)


def _masked_string(key: str, said: str) -> str:
    return MARK if said and _is_secrets(key) else masked_text(said)


def masked_output(text: str) -> str:
    """What a command printed without secrets: JSON, also a document a line, stays JSON; all else is words."""
    for documents in ([text], text.splitlines(keepends=True)):
        with suppress(ValueError):
            return "".join(masked_document(each) if each.strip() else each for each in documents)
    return masked_text(text)


def masked_xml(text: str) -> str:
    """A domain's XML without secrets."""
    arguments = _Arguments()

    def tag(found: re.Match[str]) -> str:
        name = found["tag"].rpartition(":")[2].lower()
        attributes = re.sub(_ATTRIBUTE, _attribute(name, arguments), found["attributes"])
        words = found["text"]
        if found["open"] and name in TEXTS and words.strip() and not re.search(_OF_DMI, attributes):
            words = MARK
        return f"<{found['tag']}{attributes}{found['open'] or ''}{words}"

    return re.sub(_TAG, tag, text)


class _Arguments:
    """The words of QEMU's command line in XML, of which one says what the next is."""

    def __init__(self) -> None:
        self._before = ""

    def masked(self, word: str) -> str:
        """The next word without secrets."""
        *_, said = masked_arguments((self._before, word))
        self._before = word
        return said


def _attribute(tag: str, arguments: _Arguments) -> Callable[[re.Match[str]], str]:
    """How an attribute of such an element is masked."""
    import html  # noqa: PLC0415 - as the patterns: every command would wait for its table of names

    def masked(found: re.Match[str]) -> str:
        name, value = found["name"].rpartition(":")[2].lower(), html.unescape(found["value"])
        if name in ATTRIBUTES or (tag, name) == ("env", "value"):
            said = MARK
        elif (tag, name) == ("arg", "value"):
            said = arguments.masked(value)
        else:
            said = masked_word(value)
        if said == value:
            return found[0]
        quote = found["quote"]
        return f"{found['before']}{quote}{html.escape(said)}{quote}"

    return masked
