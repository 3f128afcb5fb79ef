"""The demo guest's files, and how its kernel is told to boot where there is no KVM."""

from __future__ import annotations

from pathlib import Path

GUEST = Path(__file__).parent.parent.parent / "build" / "guest"
"""`make guest` builds it."""

# Under TCG the kernel's look for a timer that works fails on a busy machine, where ticks come late, and then it panics
# ("IO-APIC + timer doesn't work!"). The self-tests of ciphers are a tenth of what a boot takes. A program that lies elsewhere
# at each start is translated anew at each: a login by SSH takes twice as long then.
CMDLINE = "console=ttyS0 quiet no_timer_check cryptomgr.notests norandmaps"
