"""The command line of `bench`: what goes together, where the server is, and what is shown of a NIC that is not ready."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from provision.cli import run
from provision.cli.bench import _Asked, _server, _shown
from provision.cli.output import Output
from provision.runtime.errors import RequestError
from provision.verbs.bench.bench import Benched
from tests.builders import ONE_VM
from tests.gains import gain
from tests.verdicts import broken, ready


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("10.9.0.2", "10.9.0.2", 5201),
        ("10.9.0.2:5202", "10.9.0.2", 5202),
        ("fd00::2", "fd00::2", 5201),
        ("[fd00::2]:99", "fd00::2", 99),
        ("[fd00::2]", "fd00::2", 5201),
        ("vm.example.org:1", "vm.example.org", 1),
    ],
)
def test_a_server_is_an_address_with_a_port_or_without(text: str, address: str, port: int) -> None:
    found = _server(text)

    assert (found.address, found.port, found.ours) == (address, port, False)


@pytest.mark.parametrize(
    "text", ["-Z", "a b", ":5201", "10.9.0.2:0", "10.9.0.2:65536", "10.9.0.2:", "a\n", "$(id)", "[x]:1"]
)
def test_anything_else_is_none(text: str) -> None:
    with pytest.raises(RequestError, match="--server takes ADDRESS"):
        _server(text)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("LAB",),
        ("LAB", "vm", "other"),
        ("LAB", "nobody"),
        ("LAB", "vm", "--sender", "nobody"),
        ("LAB", "vm", "--host", "ssh://root@hv1"),
        ("LAB", "vm", "--server", "-x"),
        ("--connect", "qemu:///system"),
        ("--connect", "qemu:///system", "vm", "other"),
        ("--connect", "qemu:///system", "vm", "--sender", "local"),
        ("LAB", "vm", "--seconds", "0"),
        ("LAB", "vm", "--pairs", "0"),
    ],
)
def test_what_does_not_go_together_is_refused(words: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(ONE_VM.replace("BACKEND", "qemu"))

    assert run(["bench", *(str(path) if word == "LAB" else word for word in words)]) == 2


def asked(tmp_path: Path, least: float | None = None) -> _Asked:
    files = (str(tmp_path / "gain.xml"), str(tmp_path / "gain.html"))
    return _Asked(("lab.yaml", "vm"), None, "", "", "", "", 5, 5, reference=False, min_gain=least,
                  junit=files[0], html=files[1], as_json=True)  # fmt: skip


def test_of_a_nic_that_is_not_ready_the_ladder_is_shown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status = _shown(Output(), asked(tmp_path), Benched(broken()))

    said = capsys.readouterr()
    document = json.loads(said.out)
    assert (status, document["schema"], document["gain"]) == (1, "rscvm/bench/1", None)
    assert document["nics"][0]["cause"] == "guest-offloads-off"
    assert "nothing was measured: the NIC is not ready" in said.err
    assert 'type="guest-offloads-off"' in (tmp_path / "gain.xml").read_text()
    assert "not measured" in (tmp_path / "gain.html").read_text()


@pytest.mark.parametrize(("least", "status"), [(None, 0), (3.0, 0), (9.0, 1)])
def test_what_was_measured_is_shown_and_written(
    least: float | None, status: int, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert _shown(Output(), asked(tmp_path, least), Benched(ready(), gain())) == status

    assert json.loads(capsys.readouterr().out)["gain"]["median"] == 3.7778
    assert {path.name for path in tmp_path.iterdir()} == {"gain.xml", "gain.html"}
