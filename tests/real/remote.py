"""A host that is reached over SSH, and the host that reaches it, each made of namespaces and joined by a cable."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from provision.runtime.command import Result, Run
from provision.runtime.places import Target
from tests.real.hypervisor import Hypervisor, wait_for

DRIVER = str(Path(__file__).parent / "driver.py")
CLIENT, REMOTE = "192.0.2.1", "192.0.2.2"

# UsePAM no lets nobody in whose password is locked, hence the `*` of a user who just has none.
SSHD = """
mkdir -p /run/sshd
[ "$2" = root ] || useradd --create-home --base-dir /run --shell "$4" --password '*' "$2"
usermod --password '*' "$2"
home=$(getent passwd "$2" | cut -d: -f6)
mkdir -p -m 0700 "$home/.ssh"
cp -- "$3" "$home/.ssh/authorized_keys"
chown -R "$2:" "$home/.ssh"
/usr/sbin/sshd -t -f "$1"
"""


def key_pair(path: Path, *options: str) -> Path:
    """A private key at that path, its public half beside it."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path), *options],
        check=True,
    )
    return path


def public(path: Path) -> str:
    """The public half's type and key."""
    return " ".join(Path(f"{path}.pub").read_text().split()[:2])


@dataclass(frozen=True)
class Site:
    """A client and the host that it reaches; what it needs for that is in a directory."""

    client: Hypervisor
    remote: Hypervisor
    at: Path
    target: Target
    sshd: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start_sshd(
        self, *options: str, port: int = 22, user: str = "root", login: str = "/bin/sh", key: str = "host_key"
    ) -> None:
        """An sshd at the port, that lets the user in by the client's key."""
        config = self.at / f"sshd_config_{port}"
        fixed = ("UsePAM no", "StrictModes no", "PasswordAuthentication no", "PidFile none")
        config.write_text(
            "\n".join(
                (
                    f"Port {port}",
                    f"HostKey {self.at / key}",
                    *options,
                    *fixed,
                    "AuthorizedKeysFile .ssh/authorized_keys",
                    "",
                )
            )
        )
        self.remote.output(["sh", "-ec", SSHD, "sh", str(config), user, str(self.at / "id.pub"), login])
        with (self.at / f"sshd_{port}.log").open("wb") as log:
            self.sshd[port] = subprocess.Popen(
                [*self.remote.entering(), "/usr/sbin/sshd", "-D", "-e", "-f", str(config)],
                stderr=log,
                start_new_session=True,
            )
        listening = f"[ -n \"$(ss -Hltn 'sport = :{port}')\" ]"
        wait_for(
            lambda: self.remote.run(["sh", "-c", listening]).returncode == 0, time.monotonic() + 10, "sshd"
        )

    def stop(self) -> None:
        """Forget the sshds; they end with their host."""
        for process in self.sshd.values():
            process.kill()
            process.wait()

    def ask(
        self,
        *steps: Mapping[str, Any],
        target: Target | None = None,
        env: Mapping[str, str] | None = None,
        **more: Target,
    ) -> list[dict[str, Any]]:
        """What the edges make of each step, run on the client; `hv` is the host."""
        return self.driver({"hv": target or self.target, **more}, steps, env)

    def driver(
        self,
        targets: Mapping[str, Target],
        steps: Sequence[Mapping[str, Any]],
        env: Mapping[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        """The driver's answers."""
        told = {name: {key: getattr(t, key) for key in Target.__slots__} for name, t in targets.items()}
        done = self.client.run(
            [sys.executable, DRIVER], input=json.dumps([told, steps]).encode(), timeout=120, env=env
        )
        assert done.returncode == 0, done.stderr.decode()
        assert not done.stderr, done.stderr.decode()
        answers: list[dict[str, Any]] = json.loads(done.stdout)
        return answers

    def failure(self, target: Target | None = None, step: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """How a step ends that has to fail."""
        (answer,) = self.ask(step or run("true"), target=target)
        assert "error" in answer, answer
        return answer

    def knows(self, name: str, key: str = "") -> None:
        """The client knows the host by one more name."""
        with (self.at / "known_hosts").open("a") as known:
            known.write(f"{name} {key or public(self.at / 'host_key')}\n")

    def configure(self, text: str, included: str = "") -> None:
        """Write the client's ~/.ssh/config, and a file that it may include; they end with it."""
        script = 'mkdir -p -m 0700 ~root/.ssh; umask 077; printf %s "$1" >~root/.ssh/config; printf %s "$2" >~root/.ssh/included'
        self.client.output(["sh", "-ec", script, "sh", text, included])

    def as_user(self, user: str, **more: Any) -> Target:
        """The host, for another user."""
        return replace(self.target, user=user, **more)


def run(*argv: str, stdin: str = "", **more: Any) -> dict[str, Any]:
    """A step that runs one command."""
    return runs([argv], stdin=stdin, **more)


def runs(argvs: Sequence[Sequence[str]], *, stdin: str = "", **more: Any) -> dict[str, Any]:
    """A step that runs commands in one batch."""
    return {"runs": [[list(argv), stdin] for argv in argvs], **more}


class Talk:
    """A host that runs commands, as our edges on a client reach it over one connection; it fills `Runner`."""

    name = "hv"

    def __init__(self, client: Hypervisor, target: Target) -> None:
        argv = [*client.entering(), sys.executable, DRIVER, "talk"]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._say({self.name: asdict(target)})

    def _say(self, words: object) -> None:
        assert self.process.stdin is not None
        print(json.dumps(words), file=self.process.stdin, flush=True)

    def run_all(
        self, runs: Sequence[Run], *, timeout: float = 60, until_failure: bool = False
    ) -> list[Result]:
        asked = [[list(run.argv), run.stdin] for run in runs]
        self._say({"runs": asked, "timeout": timeout, "until_failure": until_failure})
        assert self.process.stdout is not None
        answer = json.loads(self.process.stdout.readline())
        assert "results" in answer, answer
        return [
            Result(self.name, run.argv, row["status"], row["out"], row["err"])
            for run, row in zip(runs, answer["results"], strict=True)
        ]

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> Result:
        return self.run_all([Run(tuple(argv), stdin)], timeout=timeout)[0]

    def hold(self, argv: Sequence[str]) -> AbstractContextManager[Result]:
        raise NotImplementedError(argv)

    def end(self) -> None:
        self.process.communicate(timeout=10)


@contextmanager
def cable(
    one: Hypervisor, other: Hypervisor, address: str, far_address: str, name: str = "wire"
) -> Iterator[None]:
    """A cable between two hosts, with an address at each end; it ends with the hosts."""
    veth = ["ip", "link", "add", name, "netns", str(one.pid), "type", "veth"]
    subprocess.run([*veth, "peer", "name", name, "netns", str(other.pid)], check=True)
    for host, end in ((one, address), (other, far_address)):
        host.output(["ip", "addr", "add", f"{end}/30", "dev", name])
        host.output(["ip", "link", "set", name, "up"])
    yield


@contextmanager
def remote_site(at: Path) -> Iterator[Site]:
    """A client and a host with an sshd at port 22 that lets root in; all is as it should be."""
    for name in ("host_key", "id"):
        key_pair(at / name)
    known = at / "known_hosts"
    known.write_text(f"{REMOTE} {public(at / 'host_key')}\n")
    target = Target("hv", REMOTE, identity=str(at / "id"), known_hosts=str(known))
    with Hypervisor() as client, Hypervisor() as remote, cable(client, remote, CLIENT, REMOTE):
        site = Site(client, remote, at, target)
        site.start_sshd()
        try:
            yield site
        finally:
            site.stop()
