"""How much memory an environment uses: read from /proc, for the process that Ogi started and below.

Why not cgroups: an ordinary user may not make them without the help of systemd. Why not RLIMIT_AS
alone: it counts address space, of which threads and allocators reserve far more than they use. So
the resident memory of all processes is watched during an invocation and the environment killed when
it is over the function's memory, as Lambda does; RLIMIT_DATA inside, HEADROOM_BYTES above that,
stops what grows faster than the watch looks.
"""

from __future__ import annotations

import os
from pathlib import Path

HEADROOM_BYTES = 256 * 1024 * 1024
WATCH_S = 0.05
"""How often a running invocation's memory is looked at."""
PROCESSES_MAX = 1024
_PAGE = os.sysconf("SC_PAGE_SIZE")


def tree(root: int) -> list[int]:
    """`root` and all processes below it."""
    found = [root]
    for pid in found:
        if len(found) >= PROCESSES_MAX:
            break
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_bytes()
        except OSError:
            continue
        found += [int(child) for child in children.split()]
    return found


def resident_bytes(pids: list[int]) -> int:
    """Together; 0 where the system has no /proc."""
    total = 0
    for pid in pids:
        try:
            statm = Path(f"/proc/{pid}/statm").read_bytes()
        except OSError:
            continue
        total += int(statm.split()[1]) * _PAGE
    return total


def peak_bytes(pid: int) -> int:
    """The most that one process has used so far; 0 where the system has no /proc."""
    try:
        status = Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        return 0
    at = status.find(b"VmHWM:")
    return 0 if at < 0 else int(status[at + 6 : status.index(b"kB", at)]) * 1024
