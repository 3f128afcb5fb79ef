"""TABLE: known issues around large segments: to what each applies, what helps, and when its thread was read."""

from __future__ import annotations

from provision.tables.issue_conditions import KnownIssue, Span, When
from provision.tables.offloads import BY_NAME

_NETKVM = "virtio-win/kvm-guest-drivers-windows"
_READ = "2026-11-29"

KNOWN_ISSUES = (
    KnownIssue(
        "1131",
        "host kernels of August 2024 drop large segments that guests send",
        applies="host kernels 5.15.165 and 5.15.166, 6.1.103 to 6.1.106, 6.6.44 and 6.6.45, 6.10.3 and 6.10.4, unless the distribution has "
        "mended its own; a name such as Debian's 6.1.0-25 does not tell the stable version",
        symptom="the kernel drops good large segments that a guest sends: Windows sent 1 Mb/s where 2 Gb/s were possible, and had 15 Mb/s "
        "from a Linux guest of the same host, 100 kb/s from a FreeBSD one; a guest with such a kernel logs `bad gso` instead",
        workaround="run 5.15.167, 6.1.107, 6.6.46, 6.10.5 or a later kernel on the host; until then Large Send Offload off in Windows, and TSO "
        "off in the guests that send to it",
        lasts="the kernel does; offloads that are off go on costing throughput after it, so switch them on again",
        until="Linux 5.15.167, 6.1.107, 6.6.46, 6.10.5; no release of 6.11 has it",
        source=f"{_NETKVM} issue 1131 (what was seen); the announcements of these stable kernels: `net: missing check virtio` brought it, "
        "`net: drop bad gso csum_start and offset in virtio_net_hdr` ends it",
        read=_READ,
        when=When(
            kernels=(
                Span((5, 15, 165), (5, 15, 167)),
                Span((6, 1, 103), (6, 1, 107)),
                Span((6, 6, 44), (6, 6, 46)),
                Span((6, 10, 3), (6, 10, 5)),
            )
        ),
    ),
    KnownIssue(
        "1525",
        "NetKVM sends batches of UDP (USO) with a length of 0",
        applies="NetKVM 0.1.262 to 0.1.301 that took USO, on a host whose kernel is 7.0 or later: seen on Proxmox VE's 7.0.0-3, not on one of 6.19",
        symptom="UDP that Windows sends in batches is lost, as of the streaming hosts Sunshine and Apollo; TCP, and so RSC, is not concerned. "
        "That the guest does not answer the host's ping, as the issue's first report says, has nobody explained",
        workaround="install virtio-win 0.1.302 or later; until then in Windows, for *UsoIPv4 and *UsoIPv6: Set-NetAdapterAdvancedProperty -Name "
        "NAME -RegistryKeyword '*UsoIPv4' -RegistryValue 0",
        lasts="both do",
        until="NetKVM of 2026-06-01 (mm320), in virtio-win 0.1.302",
        source=f"{_NETKVM} issue 1525 (open), commit 6fde9aa5 and status.txt; LizardByte/Sunshine issue 5477; that 0.1.302 has it is by its drivers' "
        "date, 2026-07-22, and that 0.1.262 is the first with USO by the dates of both",
        read=_READ,
        when=When(
            kernels=(Span((7, 0)),),
            system="windows",
            netkvm=Span((262,), (302,)),
            taken=frozenset({BY_NAME["host_uso"].virtio}),
            but={"*UsoIPv4": "0"},
        ),
        enough=("netkvm",),
    ),
    KnownIssue(
        "1360",
        "Windows hangs with NDIS poll mode where two queues share a processor",
        applies="Windows 11 and Server 2025 with NetKVM 0.1.262 to 0.1.284, *NdisPoll on (the default), and more queues than cores; "
        "NetKVM for Windows 10 and Server 2022 has no poll mode",
        symptom="the guest hangs as soon as its driver starts or traffic comes in",
        workaround="no more queues than cores; or virtio-win 0.1.285 or later; or *NdisPoll 0; or the driver for Windows 10",
        lasts="all of them do",
        until="NetKVM of 2025-03-31 (mm296), in virtio-win 0.1.285",
        source=f"{_NETKVM} issues 1360 (closed: reported of 0.1.266, the maintainer names 0.1.271) and 1312 (closed), commit c02c2df9 and status.txt; that 0.1.262 has poll mode, 0.1.285 the "
        "mending and 0.1.271 not is by their drivers' dates",
        read=_READ,
        when=When(
            system="windows",
            windows=Span((10, 0, 22000)),
            netkvm=Span((262,), (285,)),
            more_queues=True,
            but={"*NdisPoll": "0"},
        ),
        enough=("more_queues",),
        also=("1312",),
    ),
    KnownIssue(
        "1630",
        "frames reach a Windows of 60 and more processors without a checksum",
        applies="one Windows guest on Proxmox VE, with 60 to 64 active processors and not with 59, vhost on and off; whether 60 is the limit "
        "elsewhere is not known",
        symptom="frames whose checksum the sender has left to the receiver arrive with neither a checksum nor the mark that asks for one, and "
        "Windows drops them: DHCP's answers first",
        workaround="fewer than 60 processors; or `ethtool -K TAP tx off` on the host; with guest_csum off at the device the checksums were right, too",
        lasts="`tx off` does not: it is gone at the next start of the guest's driver, and takes RSC with it",
        until="nothing yet: the issue is closed, and its last words that were read (2026-09-02) look for the fault in QEMU or vhost, not in NetKVM",
        source=f"{_NETKVM} issue 1630 (closed; not read to its end)",
        read=_READ,
        when=When(
            system="windows",
            processors=60,
            taken=frozenset({BY_NAME["guest_csum"].virtio}),
            tap_checksum=True,
        ),
        enough=("processors",),
    ),
    KnownIssue(
        "1026",
        "Windows Defender keeps RSC off",
        applies="Windows with Windows Defender's network inspection that says WFPCompatibility; seen on Server 2025",
        symptom="RSC is not operational, and receiving is slow with hundreds of retransmits (10 Gb/s in, 50 Gb/s out); switching the firewall "
        "off does not change it",
        workaround="where the guest's security allows it: uninstall the feature (Uninstall-WindowsFeature Windows-Defender) and restart",
        lasts="it does, as long as the feature is not added again",
        until="nothing yet",
        source=f"{_NETKVM} issue 1026 (open), the comment of 2025-05-07; virtio-win.github.io pull request 14",
        read=_READ,
        when=When(system="windows", reason="WFPCompatibility", tells="defender"),
    ),
    KnownIssue(
        "1026-poll",
        "NDIS poll mode makes Windows 11 24H2 lose segments",
        applies="Windows 11 24H2 and later with NetKVM and *NdisPoll on; on a Server 2025 beside it poll mode made no difference",
        symptom="segments come again while it receives, more of them with two processors than with four",
        workaround="*NdisPoll 0: both directions were about 10 % faster, and nothing came again",
        lasts="it does",
        until="nothing yet",
        source=f"{_NETKVM} issue 1026 (open), the comment of 2025-05-07",
        read=_READ,
        when=When(
            system="windows",
            windows=Span((10, 0, 26100)),
            keywords={"*NdisPoll": "1"},
            again=True,
        ),
    ),
    KnownIssue(
        "861",
        "receive buffers of 64 KiB and more take much of a Windows guest's memory",
        applies="NetKVM with TSO and without mergeable buffers, which are off by default: 64 KiB and a part of a page a descriptor, for each "
        "queue; 72 KiB before mm288 (2024-12)",
        symptom="the price of RSC: 1,024 descriptors in each of 4 queues take 256 MiB and more",
        workaround="fewer queues, or a smaller rx_queue_size; MergeableBuffers 1 takes 4 KiB a descriptor, but see issue 1641",
        lasts="they do",
        until="where the device offers no guest TSO NetKVM takes less since issue 861; with RSC mergeable buffers alone help, which it has "
        "since mm317 (2026-02)",
        source=f"{_NETKVM} issue 861 (closed), pull requests 1446 (its 18 pages are the older drivers') and 1561, commit 88604754, status.txt, and "
        "ParaNdis_Common.cpp of mm322 (PrepareRXLayout)",
        read=_READ,
        when=When(
            system="windows",
            buffers=128,
            taken=frozenset({BY_NAME["guest_tso4"].virtio}),
            but={"MergeableBuffers": "1"},
        ),
        enough=("buffers",),
        also=("1446",),
    ),
    KnownIssue(
        "1641",
        "NetKVM's mergeable buffers share one array of pages among packets",
        applies="NetKVM with MergeableBuffers 1, which is not the default",
        symptom="its pull request calls it a corruption; what users see of it was not read",
        workaround="MergeableBuffers 0",
        lasts="it does",
        until="nothing yet, mm322 of 2026-07-22 neither; the pull request was open on 2026-09-10",
        source=f"{_NETKVM} pull request 1641 (open), and ParaNdis_RX.cpp of mm322 (ProcessMergedBuffers: m_MergeContext.PhysicalPages)",
        read=_READ,
        when=When(system="windows", keywords={"MergeableBuffers": "1"}),
    ),
    KnownIssue(
        "host-tunnel",
        "a Linux guest's small packets in UDP tunnels leave with wrong checksums",
        applies="a Linux guest whose kernel is 6.17 to 7.1 and took host_tunnel, which QEMU 10.2 offers to machine types of 10.2 and later; the "
        "host's NIC has no TSO for UDP tunnels. Windows takes no such feature",
        symptom="TCP within VXLAN or Geneve of the guest does not get through, but for its large frames",
        workaround="host_tunnel off at the device (an override, or -device …,host_tunnel=off), or an older machine type; or a newer kernel in the guest",
        lasts="they do",
        until="Linux 7.2 (`virtio_net: do not allow tunnel csum offload for non GSO packets`, 86c51f0f2313), and the stable kernels that took "
        "it from 7.1.y on; which of them is the first was not read",
        source="bugzilla.proxmox.com 7627, as that commit names it; QEMU hw/core/machine.c (hw_compat_10_1)",
        read=_READ,
        when=When(
            system="linux",
            linux=Span((6, 17), (7, 2)),
            taken=frozenset({BY_NAME["host_tunnel"].virtio}),
        ),
    ),
    KnownIssue(
        "hcsshim-371",
        "WinNAT, and so Windows containers, are slow with RSC",
        applies="a Windows guest with a NAT network of its own (Docker's `nat`); reported of Server 2019 and 2022, although Windows since 1809 "
        "should not have it any more",
        symptom="containers receive 100 KiB/s to 15 MB/s where 30 to 200 MB/s are possible",
        workaround="in that guest, which RSC harms: Get-NetAdapterRsc | Disable-NetAdapterRsc",
        lasts="it does",
        until="nothing yet",
        source="microsoft/hcsshim issue 371 (open), the comments of 2020-12-12, 2022-06-29 and 2023-01-21; microsoft/Windows-Containers issue 145",
        read=_READ,
        when=When(system="windows", tells="nat", rsc_on=True),
        also=("371",),
    ),
    KnownIssue(
        "npcap-70",
        "an old npcap keeps RSC off",
        applies="npcap before 0.9995 (of Windows 8, 8.1 and Server 2012 before 1.50) bound to the adapter: its driver is of NDIS 6.20",
        symptom="RSC is not operational on any adapter that it is bound to: NDISCompatibility",
        workaround="install a current npcap, or unbind it: Disable-NetAdapterBinding -Name NAME -ComponentID ID",
        lasts="both do, until somebody installs an old one again",
        until="npcap 0.9995 (2020-07-10), 1.50 (2021-06-22) on Windows 8, 8.1 and Server 2012",
        source="nmap/npcap issues 70, 196 and 198, and its CHANGELOG.md",
        read=_READ,
        when=When(system="windows", reason="NDISCompatibility", bound=("npcap", (1, 50))),
        enough=("reason",),
    ),
)
BY_ID = {row.id: row for row in KNOWN_ISSUES}
