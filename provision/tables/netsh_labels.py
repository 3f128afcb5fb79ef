"""TABLE: what `netsh int tcp show global` calls Receive Segment Coalescing, by the language of Windows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NetshLabel:
    """A label as it was seen in somebody's output; its value is `enabled` or `disabled` in each of these languages."""

    language: str
    label: str
    source: str


NETSH_LABELS = (
    NetshLabel(
        "English",
        "Receive Segment Coalescing State",
        "learn.microsoft.com: Performance tuning network adapters",
    ),
    NetshLabel(
        "German",
        "Zustand der Empfangssegmentzusammenfügung",
        "github.com/MysticFoxDE/WINDOWS-OPTIMIZATIONS, issue 15",
    ),
    NetshLabel("Japanese", "Receive Segment Coalescing 状態", "www.oresamalabo.net, 2025-08-28"),
    NetshLabel("Chinese (simplified)", "接收段合并状态", "www.wmrh.cn/Thetrip/33722.html"),
)
"""In all of them its line stands between the one of the initial RTO and the one of SACK, which keep these letters."""
