"""Every combination of the options that bound what a row sees, over rows around one instant and its neighbours."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any

import hitherto as ht
import pyarrow as pa
from hitherto.planner.ir.logical import AsofJoin, Relation, WindowAggregate, topological
from hitherto.planner.physical import Form
from hitherto.planner.planning import lower_plan

from tests.reference import Reference, agrees, selected
from tests.reference import Relation as Rows
from tests.worlds import plain_rows

T = 1_704_067_200_000_000
NEAR = range(-6, 8)
KEYS = ("k", "l")


def micros(count: int) -> timedelta:
    return timedelta(microseconds=count)


@dataclass(frozen=True)
class Grid:
    """Views of one kind, one for each combination, and what they are asked."""

    views: Sequence[ht.FeatureView]
    tables: dict[Any, pa.Table]

    def of(self, form: Form[Any], *, known: bool) -> Grid:
        """The views that a form answers."""
        answered = {node.label for node in self.nodes(known=known) if form.applies_to(node)}
        return replace(self, views=[view for view in self.views if view.name in answered])

    def nodes(self, *, known: bool) -> Iterator[AsofJoin | WindowAggregate]:
        """What the views are lowered to, each labelled with its view."""
        engine = ht.LocalComputeEngine()
        plan = engine.plan(self.job(engine, known=known)._task)
        for node in topological(lower_plan(plan)[plan.outputs[0].fingerprint]):
            if isinstance(node, AsofJoin | WindowAggregate):
                yield node

    def job(
        self, engine: ht.ComputeEngine, options: ht.PlannerOptions | None = None, *, known: bool
    ) -> ht.RetrievalJob:
        """The retrieval of all views."""
        store = ht.FeatureStore(self.views, engine=engine, planner_options=options)
        return store.get_historical_features(
            SPINE, self.views, full_feature_names=True, filter_by_created_timestamp=known
        )

    def differences(
        self, engine: ht.ComputeEngine, options: ht.PlannerOptions | None = None, *, known: bool
    ) -> list[str]:
        """How an engine's answer differs from the reference's."""
        job = self.job(engine, options, known=known)
        relations = {
            source: Rows(tuple(table.column_names), plain_rows(table)) for source, table in self.tables.items()
        }
        outputs = selected(self.views, self.views, relations, full_feature_names=True)
        reference = Reference(relations, filter_by_created=known)
        expected = reference.answers(outputs, plain_rows(SPINE), "event_timestamp")
        found = plain_rows(job.to_arrow().select([item.name for item in outputs]))
        return [
            f"row {number}, {name}: {got[name]!r} instead of {value!r}"
            for number, (wanted, got) in enumerate(zip(expected, found, strict=True))
            for name, value in wanted.items()
            if not agrees(value, got[name])
        ]


def latest_grid(keys: Sequence[int] = (0, 1, 2), uniques: Sequence[bool] = (False, True)) -> Grid:
    """Latest values: ttl, exact matches, data delay, uniqueness and number of keys."""
    grid: dict[Any, pa.Table] = {}
    views: list[ht.FeatureView] = []
    for delay, unique in itertools.product((0, 3), uniques):
        table = _events(is_unique=unique)
        source = _source(table, delay, unique=unique)
        grid[source] = table
        views += [
            ht.FeatureView(
                f"delay {delay}, unique {unique}, {count} keys, ttl {ttl}, exact {exact}",
                entities=list(KEYS[:count]),
                source=source,
                features=["v", "w"],
                ttl=None if ttl is None else micros(ttl),
                allow_exact_matches=exact,
            )
            for count, ttl, exact in itertools.product(keys, (None, 1, 5), (True, False))
        ]
    return Grid(views, grid)


def windows_grid(keys: Sequence[int] = (0, 1, 2), uniques: Sequence[bool] = (False,)) -> Grid:
    """Windows: length, closed ends, offset, slide, data delay and number of keys.

    A view for each function: some forms can only add up.
    """
    grid: dict[Any, pa.Table] = {}
    views: list[ht.FeatureView] = []
    for delay, unique in itertools.product((0, 3), uniques):
        table = _events(is_unique=unique)
        source = _source(table, delay, unique=unique)
        grid[source] = table
        for count, length, function in itertools.product(keys, (None, 1, 5), ("sum", "last")):
            aggregations = [
                ht.Aggregation(
                    "v",
                    function,
                    None if length is None else micros(length),
                    offset=micros(offset),
                    slide_interval=None if slide is None else micros(slide),
                    closed=closed,
                    name=f"{closed} {offset} {slide}",
                )
                for closed, offset, slide in itertools.product(("left", "right", "both", "neither"), (0, 2), (None, 4))
            ]
            name = f"{function}, delay {delay}, unique {unique}, {count} keys, length {length}"
            views.append(ht.FeatureView(name, entities=list(KEYS[:count]), source=source, aggregations=aggregations))
    return Grid(views, grid)


GRIDS: Mapping[type[Relation], Callable[..., Grid]] = {AsofJoin: latest_grid, WindowAggregate: windows_grid}
"""The views on which a form is tried, by the kind of node that it carries out."""


def _events(*, is_unique: bool) -> pa.Table:
    """Rows of two keys, an event and a created time, both near T or null, and two values with many ties.

    Unique ones differ in the event time, whatever the keys.
    """
    random = Random(7)
    times = [None, *(T + near for near in NEAR)]
    count = len(times) if is_unique else 90
    rows = [
        (
            random.choice((1, 2, None)),
            random.choice(("a", "b", "")),
            times[number] if is_unique else random.choice(times),
            random.choice((None, *times)),
            random.choice((1, 2, None)),
            random.choice((1.5, -0.0, 0.0, None)),
        )
        for number in range(count)
    ]
    types = (pa.int64(), pa.string(), pa.timestamp("us"), pa.timestamp("us"), pa.int64(), pa.float64())
    names = (*KEYS, "ts", "made", "v", "w")
    return pa.table([pa.array(column, type_) for column, type_ in zip(zip(*rows, strict=True), types, strict=True)],
                    names=list(names))  # fmt: skip


def _source(table: pa.Table, delay: int, *, unique: bool) -> ht.ArrowSource:
    return ht.ArrowSource(
        table, timestamp_field="ts", created_timestamp_column="made", data_delay=micros(delay), unique=unique
    )


def _spine() -> pa.Table:
    rows = [(key, other, T + near) for key in (1, 2, None) for other in ("a", "b", None) for near in NEAR]
    rows += rows[::7]
    keys, others, times = zip(*rows, strict=True)
    return pa.table({
        "k": pa.array(keys, pa.int32()), "l": pa.array(others, pa.string()),
        "event_timestamp": pa.array(times, pa.timestamp("us", "UTC")),
    })  # fmt: skip


SPINE = _spine()
