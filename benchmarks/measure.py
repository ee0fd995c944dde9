"""Alternated timings of contenders whose results were compared first."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

Contender = Callable[[], pa.Table]


def compare(contenders: Mapping[str, Contender], repetitions: int) -> None:
    """Check that all contenders give one result, then print CPU and wall seconds and the ratios to the first."""
    results = {name: run() for name, run in contenders.items()}
    first, *others = results
    for other in others:
        _check_equal(results[first], results[other], other)
    cpu: dict[str, list[float]] = {name: [] for name in contenders}
    wall: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repetitions):
        for name, run in contenders.items():
            started = time.perf_counter(), time.process_time()
            run()
            wall[name].append(time.perf_counter() - started[0])
            cpu[name].append(time.process_time() - started[1])
    print(f"  {'':24} {'CPU s':>8} {'ratio':>7} {'wall s':>8} {'ratio':>7}   n={repetitions}, median")
    for name in contenders:
        c, w = statistics.median(cpu[name]), statistics.median(wall[name])
        c0, w0 = statistics.median(cpu[first]), statistics.median(wall[first])
        print(f"  {name:24} {c:8.3f} {c / c0:7.2f} {w:8.3f} {w / w0:7.2f}")


def _check_equal(one: pa.Table, other: pa.Table, who: str) -> None:
    for name in one.column_names:
        left, right = one[name], pc.cast(other[name], one[name].type)
        if pa.types.is_floating(left.type):
            close = pc.less_equal(pc.abs(pc.subtract(left, right)), pc.multiply(pc.abs(left), 1e-9))
            same = pc.all(pc.fill_null(close, True)).as_py() and pc.is_null(left).equals(pc.is_null(right))
        else:
            same = left.equals(right)
        if not same:
            raise SystemExit(f"{who} gives another {name}: nothing was timed")
