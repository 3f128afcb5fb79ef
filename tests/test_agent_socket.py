"""Where QEMU's command line says that it listens for who asks the guest agent."""

from __future__ import annotations

import pytest

from provision.facts.qemu_sockets import agent_socket

PATH = "/var/run/qemu-server/100.qga"
PORT = "virtserialport,chardev=qga0,name=org.qemu.guest_agent.0"


def argv(chardev: str, port: str = PORT) -> list[str]:
    return [
        "qemu",
        "-chardev",
        chardev,
        "-device",
        "virtio-serial,id=qga0,bus=pci.0,addr=0x8",
        "-device",
        port,
    ]


@pytest.mark.parametrize(
    ("chardev", "port", "path"),
    [
        # as Proxmox has it (qemu-server, PVE/QemuServer.pm)
        (f"socket,path={PATH},server=on,wait=off,id=qga0", PORT, PATH),
        (f"socket,path={PATH},server,nowait,id=qga0", PORT, PATH),
        ("socket,id=qga0,path=/a,,b,server=on", PORT, "/a,b"),
        ("socket,id=qga0,path=/a,server=on", '{"driver": "virtserialport", "chardev": "qga0", "name": "org.qemu.guest_agent.0"}', "/a"),
        ("socket,id=qga0,path=/a,server=off", PORT, ""),
        ("socket,id=qga0,path=/a", PORT, ""),
        ("socket,id=qga0,path=a,abstract=on,server=on", PORT, ""),
        ("socket,id=qga0,host=127.0.0.1,port=4444,server=on", PORT, ""),
        ("socket,id=other,path=/a,server=on", PORT, ""),
        ("pty,id=qga0", PORT, ""),
        ("socket,id=qga0,path=/a,server=on", "virtserialport,chardev=qga0,name=com.redhat.spice.0", ""),
        ("socket,id=qga0,fd=7,server=on", PORT, ""),
    ],
)  # fmt: skip
def test_the_agents_socket_is_one_at_which_qemu_listens(chardev: str, port: str, path: str) -> None:
    assert agent_socket(argv(chardev, port)) == path


def test_a_machine_without_the_agents_port_has_none() -> None:
    assert agent_socket(["qemu", "-chardev", f"socket,path={PATH},server=on,id=qga0"]) == ""
