"""Known hosts are read here as OpenSSH reads them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from provision.edges.ssh.known_hosts import known_keys

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIvYiREvWoFSPXTg6pAXMUZbHuOk6x0nJy8VPCRMyVXb"
NAMES = ("a", "b.a", "A.B", "[a]:22", "[a]:2222", "ab")
PIECES = st.sampled_from(("a", "b", "A", ".", "*", "?", "[a]:22", "[a]:2222", "[*]:*", "[ab]"))
PATTERN = st.builds(
    lambda no, parts: no + "".join(parts),
    st.sampled_from(("", "", "!")),
    st.lists(PIECES, min_size=1, max_size=3),
)
LINE = st.builds(
    lambda marker, patterns, blanks, key: f"{marker}{','.join(patterns)}{blanks}{key}",
    st.sampled_from(("", "", "", "@revoked ", "# ", " ", "@nonsense ")),
    st.lists(PATTERN, min_size=1, max_size=3),
    st.sampled_from((" ", "\t", "  ")),
    st.sampled_from((KEY, f"{KEY} a comment", "ssh-ed25519")),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(LINE, min_size=1, max_size=4), name=st.sampled_from(NAMES), hashed=st.booleans())
@example(lines=[f"a,!a {KEY}"], name="a", hashed=False)
def test_a_line_means_a_host_as_ssh_keygen_finds_it(
    tmp_path: Path, lines: list[str], name: str, *, hashed: bool
) -> None:
    file = tmp_path / "known_hosts"
    file.write_text("\n".join((*lines, "")))
    if hashed:
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], capture_output=True, check=False)
    done = subprocess.run(
        ["ssh-keygen", "-F", name, "-f", str(file)], capture_output=True, text=True, check=False
    )
    found = [line for line in done.stdout.splitlines() if line.startswith("# Host")]

    ours = [key.line for marker in ("", "@revoked") for key in known_keys(name, [str(file)], marker=marker)]

    assert [f"line {line}" for line in sorted(ours)] == [
        " ".join(line.split(" found: ")[1].split()[:2]) for line in found
    ]
