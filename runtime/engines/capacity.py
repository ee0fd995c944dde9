"""How fast the engines are, and how much memory a limit is: what the planner weighs forms by."""

from __future__ import annotations

import os
import re

from ...planner.statistics import Rates

# Two cores of a server. Only the ratios decide: ``python -m benchmarks rates`` prints those of another machine.
DUCKDB = Rates(
    statement=1e-3, scanned=3.7e-8, sorted=1.1e-7, built=1.4e-7, probed=2.5e-8,
    paired=3e-9, grouped=1e-9, measured=5e-9, compared=7.6e-8, indexed=6e-9, searched=2e-8,
)  # fmt: skip
SPARK = Rates(
    statement=0.7, scanned=6.8e-7, sorted=1.4e-6, built=1.4e-6, probed=2.6e-7,
    paired=4.3e-8, grouped=2e-8, measured=1e-8, compared=5.8e-7, bucketed=4.3e-7,
)  # fmt: skip


def half_of_the_machine() -> int | None:
    """Half of the machine's memory in bytes; None where the system doesn't tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):
        return None


def bytes_of(limit: str) -> int | None:
    """A limit of memory as DuckDB takes and shows it; None for a share of the machine's memory.

    >>> bytes_of("1GB"), bytes_of("1.5 GiB"), bytes_of("3 gigabytes"), bytes_of("80%")
    (1000000000, 1610612736, 3000000000, None)
    """
    found = re.fullmatch(r"([0-9.]+)\s*([kmgt]?)(ib)?[a-z]*", limit.strip().lower())
    if found is None:
        return None
    number, prefix, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** " kmgt".index(prefix or " "))
