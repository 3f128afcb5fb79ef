"""How the script for Windows reduces `netsh wfp show state` is tried on such a document: its own expressions, by lxml."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from provision.render.guest_scripts import ask_windows
from tests.powershell_trees import nodes, parsed, words

STATE = (Path(__file__).parent / "fixtures/composed/wfp-state.xml").read_text()
LITERALS = [
    words(each)[1:-1].replace("''", "'")
    for each in nodes(parsed(ask_windows().text), "verbatim_string_characters")
]
SEEN = next(each for each in LITERALS if each.startswith("^FWPM_LAYER_"))


def at(node: Any, expression: str) -> list[Any]:
    nodes: list[Any] = node.xpath(expression)
    return nodes


def found(beginning: str, below: str = ".") -> list[Any]:
    """What the script's expression that begins so finds there, as the script cuts the text."""
    [expression] = {each for each in LITERALS if each.startswith(beginning)}
    root = etree.fromstring(STATE[STATE.index("<") : STATE.rindex(">") + 1].encode())
    return [each for node in at(root, expression) for each in at(node, below)]


def test_the_callouts_are_found_and_each_with_its_layer() -> None:
    assert [each.text for each in found("//item[calloutKey", "displayData/name")] == [
        "Example Filter inbound",
        "WFP Built-in IPsec Inbound Transport v4 Layer Callout",
        "Example redirect",
    ]
    assert len(found("//item[calloutKey", "applicableLayer")) == 3


def test_what_filters_call_is_found() -> None:
    assert [each.text for each in found("//item[filterKey")] == ["{11111111-0000-4000-8000-000000000002}"]


def test_providers_are_found_and_nothing_that_merely_has_one() -> None:
    assert [each.text for each in found("//item[providerKey", "serviceName")] == ["exflt", "mpssvc"]


def test_a_registered_callout_is_told_from_one_that_is_not() -> None:
    [expression] = {each for each in LITERALS if each.startswith("flags/item")}

    assert [len(at(each, expression)) for each in found("//item[calloutKey")] == [1, 1, 0]


@pytest.mark.parametrize(
    ("layer", "sees"),
    [
        *((f"FWPM_LAYER_{name}_V{version}", True) for version in "46" for name in ("STREAM", "STREAM_PACKET", "INBOUND_TRANSPORT", "INBOUND_IPPACKET", "ALE_AUTH_RECV_ACCEPT")),
        *((f"FWPM_LAYER_{name}", True) for name in ("INBOUND_MAC_FRAME_ETHERNET", "INBOUND_MAC_FRAME_NATIVE", "INBOUND_MAC_FRAME_NATIVE_FAST")),
        *((f"FWPM_LAYER_{name}_V4", False) for name in ("OUTBOUND_TRANSPORT", "DATAGRAM_DATA", "ALE_CONNECT_REDIRECT", "ALE_AUTH_CONNECT", "IPFORWARD")),
        ("FWPM_LAYER_INBOUND_TRANSPORT_V4_DISCARD", False),
        ("{11111111-0000-4000-8000-000000000002}", False),
    ],
)  # fmt: skip
def test_the_layers_that_see_inbound_tcp_are_looked_at(layer: str, *, sees: bool) -> None:
    assert bool(re.search(SEEN, layer)) == sees
