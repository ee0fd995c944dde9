"""The rates of an engine on this machine: the seconds a row that explain the forms' times best.

Each form is forced on shapes that differ in rows, keys and windows. What it takes is linear in the rates, so these are
found by least squares of the relative errors. A rate that the shapes tell little about stays near the shipped one.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import hitherto as ht
import numpy as np
import pyarrow.parquet as pq
from hitherto.planner.ir.logical import AsofJoin, WindowAggregate, topological
from hitherto.planner.physical import FORMS
from hitherto.planner.physical.sizes import Sizes
from hitherto.planner.statistics import Rates

from . import meter
from .data import HOUR, Events, Size

NAMES = tuple(each.name for each in dataclasses.fields(Rates))
_SHIPPED = 0.2
"""The weight of a shipped rate against one measurement."""
_SWEEPS = 20_000
_WARM_UP = 8
"""Runs of the first shape that do not count: a JVM compiles itself in its first minute."""


@dataclass(frozen=True)
class Case:
    """A shape: its rows, a ttl in hours or the lengths of windows, and the forms that it is measured with."""

    size: Size
    hours: tuple[int, ...]
    forms: tuple[str, ...]
    is_windowed: bool = False


def _latest(spine: int, events: int, keys: int, hours: int, *forms: str) -> Case:
    return Case(Size(spine, events, keys), (hours,), forms)


def _windows(spine: int, events: int, keys: int, hours: tuple[int, ...], *forms: str) -> Case:
    return Case(Size(spine, events, keys), hours, forms, is_windowed=True)


LATEST = (
    _latest(200, 2_000, 20, 168, "NarrowAsof", "UnionLast", "BucketedRange", "BucketedMax", "RangeMax"),
    _latest(100_000, 1_000_000, 10_000, 168, "NarrowAsof", "UnionLast", "BucketedRange", "BucketedMax", "RangeMax"),
    _latest(500_000, 500_000, 50_000, 168, "NarrowAsof", "BucketedRange", "BucketedMax"),
    _latest(30_000, 3_000_000, 10_000, 168, "NarrowAsof", "UnionLast", "BucketedRange", "BucketedMax", "RangeMax"),
    _latest(100_000, 1_000_000, 1_000, 24, "NarrowAsof", "UnionLast", "BucketedRange", "BucketedMax", "RangeMax"),
    _latest(60_000, 600_000, 2_000, 72, "UnionLast", "BucketedRange", "BucketedMax", "RangeMax"),
    _latest(20_000, 1_000_000, 200, 240, "BucketedRange", "BucketedMax"),
)
WINDOWS = (
    _windows(200, 2_000, 20, (168, 720), "RangeWindows", "BucketedWindows", "TiledWindows", "ExplodedTiles"),
    _windows(
        100_000, 1_000_000, 10_000, (168, 720), "RangeWindows", "BucketedWindows", "TiledWindows", "ExplodedTiles"
    ),
    _windows(10_000, 1_000_000, 200, (168, 720), "RangeWindows", "BucketedWindows", "TiledWindows", "ExplodedTiles"),
    _windows(20_000, 3_000_000, 150, (168, 720), "TiledWindows", "ExplodedTiles"),
    _windows(300_000, 300_000, 30_000, (24,), "RangeWindows", "BucketedWindows", "TiledWindows", "ExplodedTiles"),
)
ENGINES: dict[str, Callable[[], ht.SqlComputeEngine]] = {
    "duckdb": ht.LocalComputeEngine,
    "spark": ht.SparkComputeEngine,
}


def main(arguments: Sequence[str]) -> int:
    """Print the rates of an engine as they stand in ``runtime/engines/capacity.py``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks rates", description=main.__doc__)
    parser.add_argument("engine", nargs="?", default="duckdb", choices=ENGINES)
    parser.add_argument("--repetitions", type=int, default=3)
    given = parser.parse_args(arguments)
    engine = ENGINES[given.engine]()
    rows: list[tuple[np.ndarray, float]] = []
    for what, form, amounts, seconds in _measured(engine, given.repetitions):
        shipped = float(amounts @ _values(engine.rates))
        print(f"{what:58} {form:16} {seconds:8.3f} s   by the shipped rates {shipped:8.3f}", flush=True)
        rows.append((amounts, seconds))
    rates = fitted(rows, _values(engine.rates))
    print(f"{given.engine.upper()} = Rates(")
    for name, value in zip(NAMES, rates, strict=True):
        print(f"    {name}={value:.2g},")
    print(")")
    errors = sorted(abs(float(amounts @ rates) / seconds - 1) for amounts, seconds in rows)
    print(f"half of the times are within {errors[len(errors) // 2]:.0%}, all within {errors[-1]:.0%}")
    return 0


def fitted(rows: Sequence[tuple[np.ndarray, float]], shipped: np.ndarray) -> np.ndarray:
    """The rates, none of them negative, by which the amounts come nearest to the seconds, relatively."""
    least = np.where(shipped > 0, shipped / 100, 1e-12)
    matrix = np.array([amounts / seconds for amounts, seconds in rows] + list(np.diag(_SHIPPED / (shipped + least))))
    wanted = np.array([1.0] * len(rows) + [_SHIPPED] * len(shipped))
    rates = shipped.copy()
    rest = wanted - matrix @ rates
    squares = (matrix**2).sum(axis=0)
    for _ in range(_SWEEPS):
        for place, column in enumerate(matrix.T):
            moved = max(least[place], rates[place] + column @ rest / squares[place])
            rest -= column * (moved - rates[place])
            rates[place] = moved
    return rates


def _measured(engine: ht.SqlComputeEngine, repetitions: int) -> Iterator[tuple[str, str, np.ndarray, float]]:
    """What is measured, the form, how often it takes each rate, and its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate((*LATEST, *WINDOWS)):
            place = Path(folder) / str(number)
            place.mkdir()
            Events(span=90 * 24 * HOUR).write(place, case.size)
            spine, view = pq.read_table(place / "spine.parquet"), _view(case, place)
            jobs: dict[str, ht.RetrievalJob] = {}
            for form in filter(engine.forms.__contains__, case.forms):
                options = ht.PlannerOptions(forms={"v": form})
                store = ht.FeatureStore([view], engine=engine, planner_options=options)
                jobs[form] = store.get_historical_features(spine, view)
            taken: dict[str, list[float]] = {form: [] for form in jobs}
            for run in range(-1 if number else -_WARM_UP, repetitions):
                for form, job in jobs.items():
                    started = meter.cpu()
                    job.to_arrow()
                    if run >= 0:
                        taken[form].append(meter.cpu() - started)
            hours = " and ".join(map(str, case.hours))
            what = f"{'windows' if case.is_windowed else 'latest'} of {hours} h, {case.size}"
            for form, seconds in taken.items():
                yield what, form, _amounts(engine, jobs[form], form), statistics.median(seconds)


def _view(case: Case, folder: Path) -> ht.FeatureView:
    source = ht.FileSource(folder / "events.parquet", timestamp_field="ts")
    if not case.is_windowed:
        return ht.FeatureView(
            "v", entities=["key"], source=source, features=["amount", "items"], ttl=f"{case.hours[0]}h"
        )
    lengths = [f"{hours}h" for hours in case.hours]
    sums = [*ht.Aggregation.cross(["amount"], ["sum"], lengths), *ht.Aggregation.cross(["*"], ["count"], lengths)]
    return ht.FeatureView("v", entities=["key"], source=source, aggregations=sums)


def _amounts(engine: ht.SqlComputeEngine, job: ht.RetrievalJob, form: str) -> np.ndarray:
    """How often a form takes each rate: its cost where that rate is one second, and all others are none."""
    planned = job._planned
    node = next(
        each
        for region in planned.regions
        for each in topological(region.optimized)
        if isinstance(each, AsofJoin | WindowAggregate)
    )
    priced = next(each for each in FORMS if each.name == form)
    sizes = Sizes(node, engine.statistics())
    amounts = []
    for name in NAMES:
        cost = priced.cost(node, sizes, Rates(**{each: float(each == name) for each in NAMES}))
        if cost is None:
            raise SystemExit(f"{form} has no cost")
        amounts.append(cost.cpu)
    return np.array(amounts)


def _values(rates: Rates | None) -> np.ndarray:
    if rates is None:
        raise SystemExit("the engine has no rates")
    return np.array([getattr(rates, name) for name in NAMES])
