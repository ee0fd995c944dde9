"""What a process and its children have used: CPU seconds, and memory at its peak."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu() -> float:
    """User and system seconds of this process and of those that it started and that still live (a JVM)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime + sum(map(_ticks, _descendants())) / _TICKS


def forget_peak() -> None:
    """Let the peak start from what is used now, where the system can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> float:
    """The most memory that this process held since the peak was forgotten, in MB, and what its children hold now."""
    if _STATUS.exists():
        return (_field("VmHWM") + sum(_resident(child) for child in _descendants())) / 1e6
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most / 1e3


def resident() -> float:
    """Memory that this process and its children hold now, in MB; the peak where the system tells no more."""
    if _STATUS.exists():
        return (_field("VmRSS") + sum(_resident(child) for child in _descendants())) / 1e6
    return peak()


def _field(name: str, status: Path = _STATUS) -> int:
    for line in status.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    return 0


def _resident(process: int) -> int:
    with suppress(OSError):
        return _field("VmRSS", Path(f"/proc/{process}/status"))
    return 0


def _ticks(process: int) -> int:
    with suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13]))
    return 0


def _descendants() -> list[int]:
    found: list[int] = []
    asked = [os.getpid()]
    while asked:
        process = asked.pop()
        with suppress(OSError):
            for path in Path(f"/proc/{process}/task").glob("*/children"):
                children = list(map(int, path.read_text().split()))
                found += children
                asked += children
    return found
