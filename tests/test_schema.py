"""The JSON Schema says what the loader says, as far as one value can tell."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

from provision.lab import ask, spec
from provision.lab.schema import lab_schema
from provision.lab.yaml_reader import read_yaml
from provision.tables.offloads import OFFLOADS

if TYPE_CHECKING:
    from collections.abc import Iterator

FULL: Any = read_yaml(
    (Path(__file__).parent / "fixtures" / "full-lab.yaml").read_text(encoding="utf-8"),
    {"INITRD": "initrd.gz"},
)[0]
ITEM = {"guest": "linux", "memory": "1GiB"}

Steps = tuple[str | int, ...]


def valid(data: object) -> bool:
    return Draft202012Validator(lab_schema()).is_valid(data)


def with_nic(**keys: object) -> dict[str, Any]:
    return {"version": 1, "machines": {"m": {**ITEM, "nics": [{"bridge": "br0", **keys}]}}}


def nodes(data: Any, steps: Steps = ()) -> Iterator[tuple[Steps, Any]]:
    yield steps, data
    if isinstance(data, dict | list):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from nodes(value, (*steps, key))


def has_fixed_keys(steps: Steps) -> bool:
    """Whether a mapping of the full example has a model's keys, not names that its author chose."""
    return steps[-1:] not in {("hosts",), ("machines",), ("labs",), ("features",), ("coalesce",)} and not (
        steps[:1] == ("hosts",) and steps[-1] in {"bridges", "nics"}
    )


MAPPINGS = [steps for steps, data in nodes(FULL) if isinstance(data, dict) and has_fixed_keys(steps)]


def test_it_is_a_schema_of_draft_2020_12() -> None:
    schema = lab_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


def test_it_says_which_file_it_is_for() -> None:
    assert lab_schema()["title"] == "rscvm lab file, version 1"


def test_it_is_plain_json() -> None:
    assert json.loads(json.dumps(lab_schema())) == lab_schema()


def test_it_accepts_the_full_example() -> None:
    assert [error.message for error in Draft202012Validator(lab_schema()).iter_errors(FULL)] == []


@pytest.mark.parametrize("steps", MAPPINGS, ids=lambda steps: ".".join(map(str, steps)) or "file")
def test_it_rejects_an_unknown_key_at_each_level(steps: Steps) -> None:
    data = copy.deepcopy(FULL)
    place = data
    for step in steps:
        place = place[step]
    place["surprise"] = True
    assert not valid(data)


@pytest.mark.parametrize("word", [True, False, "on", "off"])
@pytest.mark.parametrize("key", ["tap", "user", "rsc", "vhost"])
def test_it_accepts_either_spelling_of_a_boolean(key: str, word: object) -> None:
    assert valid(with_nic(**{key: word}))
    assert valid(with_nic(offloads={"guest_csum": word}))


@pytest.mark.parametrize(
    "keys",
    [
        {"rsc": "yes"},
        {"rsc": "auto"},
        {"vhost": "hck"},
        {"tap": 1},
        {"tap": "yes"},
        {"model": "rtl8139"},
        {"queues": 0},
        {"queues": "1"},
        {"queues": True},
        {"rx_queue_size": 300},
        {"mtu": 67},
        {"mac": "52-54-00-12-34-56"},
        {"name": "a.b"},
        {"name": "a" * 33},
        {"ifname": "a123456789012345"},
        {"bridge": "a b"},
        {"offloads": {"guest_rsc_ext": True}},
        {"offloads": {"nope": True}},
        {"offloads": ["guest_csum"]},
    ],
    ids=str,
)
def test_it_rejects_what_the_loader_refuses_in_a_nic(keys: dict[str, object]) -> None:
    assert not valid(with_nic(**keys))


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"version": 2},
        {"version": "1"},
        {"version": True},
        [],
        None,
        {"version": 1, "machines": {"m": {"guest": "linux"}}},
        {"version": 1, "machines": {"m": {"memory": "1GiB"}}},
        {"version": 1, "machines": {"m": {**ITEM, "memory": "1GB"}}},
        {"version": 1, "machines": {"m": {**ITEM, "memory": 1024}}},
        {"version": 1, "machines": {"m": {**ITEM, "firmware": "seabios"}}},
        {"version": 1, "machines": {"m": {**ITEM, "firmware": {"code": "/c"}}}},
        {"version": 1, "machines": {"m": {**ITEM, "ask": ["telnet"]}}},
        {"version": 1, "machines": {"m": {**ITEM, "ask": [{"ssh": {"address": "a"}}]}}},
        {"version": 1, "machines": {"-m": ITEM}},
        {"version": 1, "machines": {"m" * 64: ITEM}},
        {"version": 1, "hosts": {"h h": {"address": "h"}}},
        {"version": 1, "hosts": {"local": {"bridges": {"a b": {}}}}},
        {"version": 1, "labs": {"r": {"topology": "star", "dut": ITEM}}},
        {"version": 1, "labs": {"r": {"topology": "dut-only", "dut": {**ITEM, "nics": []}}}},
    ],
    ids=str,
)
def test_it_rejects_what_the_loader_refuses(data: object) -> None:
    assert not valid(data)


def test_it_offers_every_offload_but_the_one_with_its_own_door() -> None:
    offered = lab_schema()["$defs"]["Nic"]["properties"]["offloads"]["propertyNames"]["enum"]
    assert set(offered) == {offload.name for offload in OFFLOADS} - {"guest_rsc_ext"}


def test_each_reference_leads_to_a_definition() -> None:
    schema = lab_schema()
    targets = [data["$ref"] for _, data in nodes(schema) if isinstance(data, dict) and "$ref" in data]
    assert targets
    assert {target.removeprefix("#/$defs/") for target in targets} == set(schema["$defs"])


def test_each_model_brings_its_docstring_as_description() -> None:
    schema = lab_schema()
    named = {**vars(ask), **vars(spec)}
    models = {name: m for name, m in named.items() if isinstance(m, type) and issubclass(m, BaseModel)}
    described = {name: definition.get("description") for name, definition in schema["$defs"].items()}
    assert described == {name: models[name].__doc__ for name in described}
    assert schema["description"] == spec.LabFile.__doc__


def test_each_default_that_editors_offer_is_itself_valid() -> None:
    schema = lab_schema()
    wrong = [
        steps
        for steps, data in nodes(schema)
        if isinstance(data, dict) and steps[-2:-1] == ("properties",) and "default" in data
        if not Draft202012Validator({**data, "$defs": schema["$defs"]}).is_valid(data["default"])
    ]
    assert wrong == []


@pytest.mark.parametrize("size", [0, 255, 256, 257, 511, 512, 1023, 1024, 1025, 2048])
def test_it_accepts_the_ring_sizes_that_the_loader_accepts(size: int) -> None:
    data = with_nic(rx_queue_size=size)
    try:
        spec.LabFile.model_validate(data)
    except ValidationError:
        assert not valid(data)
    else:
        assert valid(data)
