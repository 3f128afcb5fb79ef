"""The scalar types of a lab file: what each accepts, and the words for what it does not.

Booleans may be written `true/false` or `on/off`; the YAML reader gives `on` as text (YAML 1.2).
"""

from __future__ import annotations

import ipaddress
import re
import reprlib
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from provision.runtime.masked import masked_word
from provision.tables.offloads import BY_NAME, HCK

if TYPE_CHECKING:
    from collections.abc import Callable

_UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SWITCHES = {"true": True, "on": True, "false": False, "off": False}
_SEPARATORS = "\u2028\u2029\ufffe\uffff"
"""Line separators, which some readers end a line at, and what XML cannot hold."""
_RENAMED_BY_LIBVIRT = ("vnet", "vif", "macvtap", "macvlan")


def refusal(message: str) -> PydanticCustomError:
    """An error that reaches the user in exactly these words."""
    return PydanticCustomError("refused", "{message}", {"message": message})


def shown(value: object) -> str:
    """A value of a lab file, as the file has it and in short."""
    return (
        {None: "null", True: "true", False: "false"}[value]
        if value is None or isinstance(value, bool)
        else reprlib.repr(value)
    )


def _switch(value: object) -> object:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in _SWITCHES:
        return _SWITCHES[value]
    raise refusal(f"must be true or false (or on, off), not {shown(value)}")


def _setting(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**32:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        raise refusal(f"must be at least 0 and below 2^32, not {value}")
    try:
        return _switch(value)
    except PydanticCustomError:
        raise refusal(f"must be a number, or true or false, not {shown(value)}") from None


def _one_of(*numbers: int) -> Callable[[object], object]:
    def check(value: object) -> object:
        if type(value) is int and value in numbers:
            return value
        *others, last = map(str, numbers)
        words = f"{', '.join(others)} or {last}" if others else last
        raise refusal(f"must be {words}, not {shown(value)}")

    return check


def _word(*words: str) -> Callable[[object], str]:
    """Accept a switch as its word, or one of these words."""

    def read(value: object) -> str:
        if isinstance(value, bool):
            value = "true" if value else "false"
        if isinstance(value, str) and value in _SWITCHES:
            return "true" if _SWITCHES[value] else "false"
        if value in words:
            return str(value)
        raise refusal(f"must be true, false or {' or '.join(words)}, not {shown(value)}")

    return read


def _matching(pattern: str, what: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise refusal(f"must be {what}, not {shown(value)}")
        return value

    return check


def _ifname(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,15}", value) or value in {".", ".."}:
        raise refusal(f"must be 1 to 15 of letters, digits, `_`, `.` and `-`, not {shown(value)}")
    return value


def _device(value: str) -> str:
    """Any name that Linux takes for a network device (dev_valid_name)."""
    printable(value)
    if not 1 <= len(value.encode()) <= 15 or value in {".", ".."} or re.search(r"[\s/:]", value):
        raise refusal(f"must be a network device's name of 1 to 15 bytes, not {shown(value)}")
    return value


def _network(value: str) -> str:
    """Any name that libvirt takes for a network (virNetworkDefParseXML)."""
    if not value or "/" in value:
        raise refusal(f"must be the name of a libvirt network, without `/`, not {shown(value)}")
    return printable(value)


def _macvtap(value: str) -> str:
    """A network device's name that libvirt takes for a domain, too (its schema's deviceName)."""
    _device(value)
    if not re.fullmatch(r"[A-Za-z0-9._\\-]+", value):
        raise refusal(f"must be of letters, digits, `.`, `_`, `-` and `\\`, as libvirt's, not {shown(value)}")
    return value


def _tap_name(value: str) -> str:
    if value.startswith(_RENAMED_BY_LIBVIRT):
        raise refusal(f"must not begin with {', '.join(_RENAMED_BY_LIBVIRT)}: libvirt silently renames those")
    return _ifname(value)


def _mac(value: str) -> str:
    if not re.fullmatch(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", value):
        raise refusal(f"must be six hexadecimal pairs with colons, not {shown(value)}")
    if int(value[:2], 16) & 1:
        raise refusal(f"must not be a multicast address, as {value} is")
    if value == "00:00:00:00:00:00":
        raise refusal("must not be all zeros")
    return value.lower()


def _memory(value: object) -> object:
    found = re.fullmatch(r"([1-9][0-9]{0,12})(KiB|MiB|GiB)", value) if isinstance(value, str) else None
    if not found:
        raise refusal(f"must be a number with KiB, MiB or GiB, such as 8GiB, not {shown(value)}")
    size = int(found[1]) * _UNITS[found[2]]
    if not 2**20 <= size < 2**46:
        raise refusal(f"must be between 1MiB and 65535GiB, not {value}")
    return size


def printable(value: str) -> str:
    """Accept anything but control characters; where it goes it is escaped."""
    bad = next(
        (
            c
            for c in value
            if ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) <= 0xDFFF or c in _SEPARATORS
        ),
        "",
    )
    if bad:
        raise refusal(f"must not have control characters, such as {bad!r}")
    return value


def _path(value: str) -> str:
    if not value:
        raise refusal("must not be empty")
    return printable(value)


def _uri(value: str) -> str:
    if masked_word(value) != value:
        raise refusal("must not have a password: libvirt reads it from auth.conf")
    return printable(value)


def _prefix(value: str) -> str:
    try:
        whole = ipaddress.ip_interface(value) if re.search(r"/[0-9]{1,3}$", value) else None
    except ValueError:
        whole = None
    if whole is None:
        raise refusal(
            f"must be an address with its prefix length, such as 10.9.0.1/24, not {shown(value)}"
        ) from None
    return value


def _address(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}", value):
        try:
            ipaddress.ip_address(value.partition("%")[0])
            _device(value.partition("%")[2] or "any")
        except (ValueError, PydanticCustomError):
            raise refusal(f"must be a host name or an IP address, not {shown(value)}") from None
    return value


def _offload(value: str) -> str:
    if value == HCK:
        raise refusal("has one door only: `rsc: hck`")
    if value not in BY_NAME:
        known = ", ".join(name for name in BY_NAME if name != HCK)
        raise refusal(f"is no offload; there are {known}")
    return value


# Tags end in `()`, so that no key of a lab file can be taken for one where a fault is placed.


def firmware_tag(value: Any) -> str | None:
    """Whether firmware is named or given by its files."""
    return (
        "name()"
        if isinstance(value, str)
        else "files()"
        if isinstance(value, dict) or hasattr(value, "code")
        else None
    )


FirmwareTag = "must be uefi, uefi-secure-boot, bios, or {code: PATH, vars: PATH}"

_SWITCH_SCHEMA = {"anyOf": [{"type": "boolean"}, {"enum": ["on", "off"]}]}


def _switch_or(*words: str) -> dict[str, Any]:
    return {"anyOf": [{"type": "boolean"}, {"enum": ["on", "off", *words]}]}


def _string(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern}


_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_NIC_NAME = r"[A-Za-z0-9_-]{1,32}"
_WINDOWS_PATH = r'[A-Za-z]:\\[^"<>|*?%\x00-\x1f]{1,240}'
_IFNAME = r"^[A-Za-z0-9_.-]{1,15}$"

Switch = Annotated[bool, BeforeValidator(_switch), WithJsonSchema(_SWITCH_SCHEMA)]
Setting = Annotated[
    int | bool,
    BeforeValidator(_setting),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, *_SWITCH_SCHEMA["anyOf"]]}),
]
Rsc = Annotated[str, BeforeValidator(_word("hck")), WithJsonSchema(_switch_or("hck"))]
Auto = Annotated[str, BeforeValidator(_word("auto")), WithJsonSchema(_switch_or("auto"))]
Text = Annotated[str, AfterValidator(printable)]
Uri = Annotated[str, AfterValidator(_uri)]
Path = Annotated[str, AfterValidator(_path)]
WindowsPath = Annotated[
    str,
    AfterValidator(printable),
    AfterValidator(
        _matching(_WINDOWS_PATH, "a file's whole path in Windows, as C:\\Program Files\\iperf3\\iperf3.exe")
    ),
    WithJsonSchema(_string(rf"^{_WINDOWS_PATH}$")),
]
Name = Annotated[
    str,
    AfterValidator(
        _matching(_NAME, "1 to 63 of letters, digits, `.`, `_` and `-`, beginning with a letter or digit")
    ),
    WithJsonSchema(_string(f"^{_NAME}$")),
]
NicName = Annotated[
    str,
    AfterValidator(
        _matching(_NIC_NAME, "1 to 32 of letters, digits, `_` and `-` (libvirt ignores any other alias)")
    ),
    WithJsonSchema(_string(f"^{_NIC_NAME}$")),
]
BridgeName = Annotated[str, AfterValidator(_ifname), WithJsonSchema(_string(_IFNAME))]
Device = Annotated[str, AfterValidator(_device)]
NetworkName = Annotated[str, AfterValidator(_network)]
MacvtapDevice = Annotated[str, AfterValidator(_macvtap)]
TapName = Annotated[str, AfterValidator(_tap_name), WithJsonSchema(_string(_IFNAME))]
Version = Annotated[int, BeforeValidator(_one_of(1)), WithJsonSchema({"const": 1})]
QueueSize = Annotated[
    int, BeforeValidator(_one_of(256, 512, 1024)), WithJsonSchema({"enum": [256, 512, 1024]})
]
Mac = Annotated[str, AfterValidator(_mac), WithJsonSchema(_string(r"^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$"))]
Memory = Annotated[
    int, BeforeValidator(_memory), Field(gt=0), WithJsonSchema(_string(r"^[1-9][0-9]*(KiB|MiB|GiB)$"))
]
Prefix = Annotated[str, AfterValidator(_prefix)]
Address = Annotated[str, AfterValidator(_address)]
OffloadName = Annotated[
    str,
    AfterValidator(_offload),
    WithJsonSchema({"type": "string", "enum": [n for n in BY_NAME if n != HCK]}),
]
