"""Hand-built plans over small real tables: what the golden files show and the executed comparisons run.

Times are microseconds near 1970, on both sides of it. The tables hold what a rule could stumble over: ties, repeated
and null keys, null times, events after every spine row, keys that only one side has.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from hitherto.planner.expr.aggregates import AGGREGATES
from hitherto.planner.expr.functions import call
from hitherto.planner.expr.nodes import Column, Literal
from hitherto.planner.ir.data import Bounds
from hitherto.planner.ir.intervals import latest_interval, window_interval
from hitherto.planner.ir.logical import (
    Aggregate,
    AsofJoin,
    Filter,
    Join,
    Measure,
    NumberRows,
    Pick,
    Project,
    Relation,
    Scan,
    Union,
    Values,
    WindowAggregate,
    WindowMeasure,
    identity_columns,
)
from hitherto.planner.ir.operators import Materialize
from hitherto.planner.types import INT64, Field

from tests.relations import expression, scan, table

SPINE = table(
    "spine_table",
    pa.table(
        {
            "k": pa.array([1, 1, 1, 2, 2, 3, None, 7, 1, 4, 1], pa.int64()),
            "t": pa.array([20, 20, 10, 11, 5, 20, 20, 20, -7, 100, 17], pa.int64()),
            "region": ["eu", "eu", "us", "eu", "us", None, "eu", "us", "us", "eu", "us"],
        }
    ),
    Bounds("t", -7, 100),
)
EVENTS = table(
    "events",
    pa.table(
        {
            "k": pa.array([7, 7, 1, 1, 1, 1, 1, 2, 2, 2, None, 3, 9, 1, 1, 4, 2], pa.int64()),
            "ts": pa.array([5, 15, 5, 15, 15, 20, -15, 5, 11, 10, 15, None, 15, 200, -20, 100, 4], pa.int64()),
            "v": pa.array([20, 10, 3, 1, 2, 30, 4, 5, 50, None, 6, 7, 8, 99, 9, 60, 1], pa.int64()),
            "w": [1.5, 2.0, math.nan, 9.0, 8.0, 0.5, -1.0, 0.0, None, 4.0, 5.0, 6.0, 7.0, 1.0, 2.5, 3.0, 6.5],
            "status": [*["ok"] * 4, *["bad"] * 2, "ok", None, "ok", "bad", *["ok"] * 7],
        }
    ),
)
MORE_EVENTS = table("more_events", EVENTS.data.value.slice(3, 7))  # type: ignore[union-attr]
USERS = table(
    "users",
    pa.table(
        {
            "k": pa.array([1, 2, 2, None, 5], pa.int64()),
            "age": pa.array([30, 40, None, 50, 60], pa.int64()),
            "country": ["de", None, "de", "it", "de"],
        }
    ),
)

PLANS: dict[str, Callable[[], Relation]] = {}


def plan(build: Callable[[], Relation]) -> Callable[[], Relation]:
    """Register a plan under the function's name."""
    PLANS[build.__name__] = build
    return build


# Building blocks.


def project(relation: Relation, **columns: str) -> Project:
    """A projection of SQL texts by name."""
    return Project(relation, tuple((name, expression(text, relation)) for name, text in columns.items()))


def keep(relation: Relation, *names: str) -> Project:
    """A projection that only drops or reorders columns."""
    return Project(relation, tuple((name, Column(name, relation.schema[name])) for name in names))


def where(relation: Relation, text: str) -> Filter:
    """A filter by an SQL text."""
    return Filter(relation, expression(text, relation))


def spine(condition: str | None = None) -> Relation:
    """The numbered spine rows, filtered where there is a condition."""
    rows = NumberRows(scan(SPINE), "row_id", label="spine_rows")
    return rows if condition is None else where(rows, condition)


def pick(*features: str, prefix: str = "", ttl: int | None = None, exact: bool = True, unique: bool = False) -> Pick:
    """A pick of event columns, ordered by all declared ones."""
    interval = latest_interval("t", ttl=ttl, allow_exact_matches=exact, data_delay=0)
    return Pick(interval, ("v", "w", "status"), tuple((prefix + name, name) for name in features), unique, label="view")


def latest(left: Relation, events: Relation, *picks: Pick, label: str = "latest") -> AsofJoin:
    """Latest events of a key."""
    return AsofJoin(left, events, (("k", "k"),), "t", "ts", picks or (pick("v", "w"),), label=label)


def window(
    name: str, function: str, operand: str | None = "v", width: int | None = 10, condition: str | None = None
) -> WindowMeasure:
    """An aggregate over the last ``width`` microseconds, closed on the left."""
    interval = window_interval("t", window=width, offset=0, slide=None, closed="left", data_delay=0)
    type_ = INT64 if operand is None else AGGREGATES[function].type_rule(EVENTS.schema[operand])
    kept = None if condition is None else expression(condition, EVENTS.schema)
    order = ("ts", "v", "w") if AGGREGATES[function].is_ordered else ()
    return WindowMeasure(name, function, operand, kept, interval, order, type_)


def windows(
    left: Relation, events: Relation, *aggregates: WindowMeasure, label: str = "windows", form: str | None = None
) -> Relation:
    """Windowed aggregates by key."""
    chosen = aggregates or (window("n", "count"), window("total", "sum", "w"))
    return WindowAggregate(left, events, (("k", "k"),), "row_id", "t", "ts", chosen, label=label, form=form)


def by_row(*answers: Relation) -> Join:
    """The answers of several views, joined by row."""
    return Join(answers, ("row_id",))


# Normalization.


@plan
def projects_read_once() -> Relation:
    return project(project(scan(EVENTS), k="k", double="v * 2"), k="k", more="double + 1")


@plan
def project_that_reads_a_product_twice() -> Relation:
    return project(project(scan(EVENTS), square="v * v"), twice="square + square")


@plan
def project_of_everything() -> Relation:
    return keep(scan(EVENTS), *EVENTS.schema.names)


@plan
def project_in_another_order() -> Relation:
    return keep(scan(USERS), "country", "k", "age")


@plan
def filters_on_one_another() -> Relation:
    return where(where(scan(EVENTS), "v > 2 and status = 'ok'"), "v < 20 and v > 2")


@plan
def filter_above_an_aggregate() -> Relation:
    return where(groups(), "n > 1")


@plan
def filter_that_is_true() -> Relation:
    return where(scan(EVENTS), "true and v > 2")


@plan
def filter_that_is_only_true() -> Relation:
    return where(scan(EVENTS), "true")


@plan
def filter_that_is_never_false() -> Relation:
    return where(scan(EVENTS), "v = v")


@plan
def inner_joins_of_one_key() -> Relation:
    grades = Values((Field("k", INT64), Field("grade", INT64)), ((1, 6), (2, 5), (None, 4)))
    return Join((Join((scan(EVENTS), scan(USERS)), ("k",)), grades), ("k",))


@plan
def left_join_below_an_inner_one() -> Relation:
    grades = Values((Field("k", INT64), Field("grade", INT64)), ((1, 6), (7, 3), (None, 4)))
    return Join((Join((scan(EVENTS), scan(USERS)), ("k",), "left"), grades), ("k",))


# Predicate pushdown.


@plan
def filter_over_a_computed_column_of_an_old_name() -> Relation:
    return where(project(scan(EVENTS), k="k", v="v + 10"), "v > 15")


@plan
def filter_over_an_inner_join() -> Relation:
    return where(Join((scan(EVENTS), scan(USERS)), ("k",)), "k > 1 and v > 2 and age > 30 and v < age")


@plan
def filter_over_a_left_join() -> Relation:
    joined = Join((scan(EVENTS), scan(USERS)), ("k",), "left")
    return where(joined, "k > 1 and age > 30 and country is null")


@plan
def filter_on_the_right_of_a_left_join() -> Relation:
    return where(Join((scan(EVENTS), scan(USERS)), ("k",), "left"), "age is null")


def both_sources() -> Union:
    return Union((scan(EVENTS), scan(MORE_EVENTS)))


@plan
def filter_over_a_union() -> Relation:
    return where(both_sources(), "v > 2")


def groups() -> Aggregate:
    measures = (Measure("n", "count", None, INT64), Measure("most", "max", Column("v", INT64), INT64))
    return Aggregate(scan(EVENTS), ("k", "status"), measures)


@plan
def filter_over_grouping_keys() -> Relation:
    return where(groups(), "status = 'ok' and k > 1 and n > 1")


@plan
def filter_over_the_measure_of_all_rows() -> Relation:
    rows = Aggregate(scan(EVENTS), (), (Measure("n", "count", None, INT64),))
    return where(rows, "n > 1")


@plan
def distinct_keys() -> Relation:
    return where(Aggregate(scan(EVENTS), ("k",)), "k is not null")


@plan
def filter_over_a_filtered_scan() -> Relation:
    return where(Scan(EVENTS, ("k", "v"), expression("status = 'ok'", EVENTS.schema)), "v > 2")


@plan
def filter_over_literal_rows() -> Relation:
    return where(Values((Field("k", INT64),), ((1,), (2,), (None,))), "k > 1")


@plan
def latest_filtered_by_spine() -> Relation:
    return where(latest(spine(), scan(EVENTS)), "region = 'eu' and v > 2")


@plan
def latest_filtered_by_a_feature() -> Relation:
    return where(latest(spine(), scan(EVENTS)), "v > 15")


@plan
def latest_filtered_by_its_key() -> Relation:
    return where(latest(spine(), scan(EVENTS)), "k = 1 and t > 10")


@plan
def latest_of_a_filtered_spine() -> Relation:
    return latest(spine("k > 1 and t > 5 and region = 'eu'"), scan(EVENTS))


@plan
def latest_of_a_spine_filtered_by_time() -> Relation:
    return latest(spine("t > 10"), scan(EVENTS))


@plan
def latest_of_null_keys() -> Relation:
    return where(latest(spine(), scan(EVENTS)), "k is null")


@plan
def latest_over_filtered_events() -> Relation:
    return where(latest(spine(), where(scan(EVENTS), "status = 'ok'")), "k < 7 and region is not null")


@plan
def latest_over_a_union_by_key() -> Relation:
    return where(latest(spine(), both_sources()), "k = 1")


@plan
def windows_filtered_by_spine() -> Relation:
    return where(windows(spine(), scan(EVENTS)), "region = 'us' and n > 0")


@plan
def windows_filtered_by_an_aggregate() -> Relation:
    return where(windows(spine(), scan(EVENTS)), "n > 1")


@plan
def windows_filtered_by_their_key() -> Relation:
    return where(windows(spine(), scan(EVENTS)), "k = 1 and t > 10")


@plan
def windows_of_a_spine_filtered_by_time() -> Relation:
    return windows(spine("t > 10"), scan(EVENTS))


@plan
def latest_with_a_ttl() -> Relation:
    return latest(spine(), scan(EVENTS), pick("v", ttl=5))


@plan
def latest_of_two_ttls() -> Relation:
    return latest(spine(), scan(EVENTS), pick("v", ttl=5), pick("w", ttl=12))


@plan
def latest_without_a_ttl() -> Relation:
    return latest(spine(), scan(EVENTS), pick("v", ttl=5), pick("w"))


@plan
def windows_of_two_widths() -> Relation:
    both = window("n", "count"), window("longer", "count", width=25)
    return windows(spine(), scan(EVENTS), *both, form="BucketedWindows")


@plan
def lifetime_windows() -> Relation:
    return windows(spine(), scan(EVENTS), window("n", "count"), window("ever", "count", width=None))


def stored(name: str, times: pa.Array[Any]) -> Relation:
    """Events whose time is stored as an instant, with the integer microseconds that are computed from it."""
    rows = pa.table({"k": [1] * len(times), "at": times, "v": list(range(len(times))), "w": [0.5] * len(times)})
    read = scan(table(name, rows.append_column("status", pa.array(["ok"] * len(times)))))
    time = ("ts", call("micros_up", Column("at", read.schema["at"])))
    return Project(read, (*identity_columns(read.schema), time))


@plan
def latest_of_events_in_seconds() -> Relation:
    events = stored("events_in_seconds", pa.array([-1, 0, 1], pa.timestamp("s")))
    return by_row(latest_features("a_", events, "v"), latest_features("b_", events, "v", exact=False))


@plan
def latest_of_events_in_milliseconds_with_a_zone() -> Relation:
    events = stored("events_in_milliseconds", pa.array([-1, 0, 1], pa.timestamp("ms", "Europe/Berlin")))
    return by_row(latest_features("a_", events, "v", ttl=30), latest_features("b_", events, "v"))


@plan
def latest_of_events_in_microseconds() -> Relation:
    events = stored("events_in_microseconds", pa.array([-13, -12, -7, 5, 20, 100, 101], pa.timestamp("us")))
    return by_row(latest_features("a_", events, "v", ttl=5), window_features("b_", events))


@plan
def latest_of_events_in_nanoseconds() -> Relation:
    times = [-12_001, -12_000, -11_999, -7_001, -6_999, 19_001, 20_000, 20_001, 99_001, 100_001]
    events = stored("events_in_nanoseconds", pa.array(times, pa.timestamp("ns", "UTC")))
    return by_row(latest_features("a_", events, "v", ttl=5), window_features("b_", events))


@plan
def latest_of_events_on_dates() -> Relation:
    events = stored("events_on_dates", pa.array([-1, 0, 1], pa.date32()))
    return by_row(latest_features("a_", events, "v"), latest_features("b_", events, "w", ttl=30))


# Projection pruning.


@plan
def few_columns_of_a_scan() -> Relation:
    return keep(Scan(EVENTS, EVENTS.schema.names, expression("status = 'ok'", EVENTS.schema)), "v")


@plan
def no_columns_of_a_scan() -> Relation:
    return Project(scan(USERS), (("one", Literal(1, INT64)),))


@plan
def few_columns_of_a_filter() -> Relation:
    return keep(where(both_sources(), "status = 'ok'"), "v")


@plan
def few_features() -> Relation:
    return keep(latest(spine(), scan(EVENTS), pick("v", "w"), pick("status", ttl=5)), "row_id", "w")


@plan
def all_features() -> Relation:
    return keep(latest(spine(), scan(EVENTS)), "row_id", "v", "w")


@plan
def no_features() -> Relation:
    return keep(latest(spine(), scan(EVENTS)), "row_id", "t")


@plan
def last_tied_feature_alone() -> Relation:
    ties = table("ties", pa.table({"k": [1, 1], "ts": [5, 5], "a": [1, 2], "b": [2, 1]}))
    bounds = latest_interval("t", ttl=None, allow_exact_matches=True, data_delay=0)
    tied = Pick(bounds, ("a", "b"), (("a", "a"), ("b", "b")), label="view")
    return keep(latest(spine(), scan(ties), tied), "row_id", "b")


@plan
def latest_of_a_unique_source() -> Relation:
    unique = table(
        "unique_events", pa.table({"k": [1, 2], "ts": [5, 5], "v": [7, 8], "w": [1.0, 2.0], "status": ["a", "b"]})
    )
    return latest(spine(), scan(unique), pick("v", unique=True))


@plan
def latest_that_reads_all_events() -> Relation:
    return latest(spine(), scan(EVENTS), pick("v", "w", "status"))


@plan
def few_aggregates() -> Relation:
    read = windows(spine(), scan(EVENTS), window("n", "count"), window("total", "sum", "w"), window("newest", "last"))
    return keep(read, "row_id", "n")


@plan
def mean_from_aggregates() -> Relation:
    return project(windows(spine(), scan(EVENTS)), row_id="row_id", mean="total / n")


@plan
def ordered_aggregates() -> Relation:
    return windows(spine(), scan(EVENTS), window("oldest", "first", "w"), window("newest", "last", "w", 25))


@plan
def conditional_aggregates() -> Relation:
    return windows(
        spine(), scan(EVENTS), window("bad", "count", None, 25, "status = 'bad'"), window("n", "count", None, 25)
    )


@plan
def windows_that_read_all_events() -> Relation:
    names = ("v", "w", "status")
    return windows(spine(), scan(EVENTS), *(window(f"n_{name}", "count", name) for name in names))


@plan
def few_columns_of_a_join() -> Relation:
    return keep(Join((scan(EVENTS), scan(USERS)), ("k",)), "v")


@plan
def all_columns_of_a_join() -> Relation:
    return project(Join((keep(scan(EVENTS), "k", "v"), keep(scan(USERS), "k", "age")), ("k",)), k="k", sum="v + age")


@plan
def few_columns_of_an_aggregate() -> Relation:
    return Aggregate(scan(EVENTS), ("k",), (Measure("most", "max", expression("v + 1", EVENTS.schema), INT64),))


@plan
def count_of_all_rows() -> Relation:
    return Aggregate(scan(EVENTS), (), (Measure("n", "count", None, INT64),))


# View fusion.


def latest_features(prefix: str, events: Relation, *names: str, ttl: int | None = None, exact: bool = True) -> Project:
    """A latest view's features, under names of its own."""
    joined = latest(spine(), events, pick(*names, prefix=prefix, ttl=ttl, exact=exact), label=prefix.rstrip("_"))
    return keep(joined, "row_id", *(prefix + name for name in names))


def window_features(prefix: str, events: Relation, width: int = 10) -> Project:
    """A windowed view's features, under names of its own."""
    aggregates = (window(f"{prefix}n", "count", width=width), window(f"{prefix}newest", "last", "w", width))
    read = windows(spine(), events, *aggregates, label=prefix.rstrip("_"))
    return keep(read, "row_id", *(aggregate.name for aggregate in aggregates))


@plan
def latest_views_over_one_source() -> Relation:
    a = latest_features("a_", scan(EVENTS), "v", ttl=5)
    return by_row(a, latest_features("b_", scan(EVENTS), "w", "status"))


@plan
def latest_views_of_other_upper_bounds() -> Relation:
    return by_row(latest_features("a_", scan(EVENTS), "v"), latest_features("b_", scan(EVENTS), "v", exact=False))


@plan
def latest_views_over_other_rows() -> Relation:
    filtered = where(scan(EVENTS), "status = 'ok'")
    return by_row(latest_features("a_", scan(EVENTS), "v"), latest_features("b_", filtered, "v"))


@plan
def latest_views_over_two_filters() -> Relation:
    ok, bad = where(scan(EVENTS), "status = 'ok'"), where(scan(EVENTS), "status = 'bad'")
    return by_row(latest_features("a_", ok, "v"), latest_features("b_", bad, "v"))


@plan
def latest_views_with_columns_of_their_own() -> Relation:
    a = project(scan(EVENTS), k="k", ts="ts", v="v + 1", w="w", status="status")
    b = project(scan(EVENTS), k="k", ts="ts", v="-v", w="w", status="status")
    return by_row(latest_features("a_", a, "v", "w"), latest_features("b_", b, "v", "w"))


@plan
def latest_views_over_one_filter() -> Relation:
    a = where(scan(EVENTS), "status = 'ok'")
    b = where(scan(EVENTS, "k", "ts", "v", "w", "status"), "status = 'ok'")
    return by_row(latest_features("a_", a, "v"), latest_features("b_", b, "w"), window_features("c_", a))


@plan
def window_views_over_one_source() -> Relation:
    a, b = window_features("a_", scan(EVENTS)), window_features("b_", scan(EVENTS), 25)
    return by_row(keep(spine(), "row_id", "region"), a, b)


@plan
def window_views_over_other_rows() -> Relation:
    return by_row(window_features("a_", scan(EVENTS)), window_features("b_", where(scan(EVENTS), "v > 2")))


@plan
def window_views_with_columns_of_their_own() -> Relation:
    a = project(scan(EVENTS), k="k", ts="ts", v="v", w="w * 2", status="status")
    b = project(scan(EVENTS), k="k", ts="ts", v="-v", w="w + 1", status="status")
    return by_row(window_features("a_", a, 25), window_features("b_", b, 25))


@plan
def window_views_with_conditions_of_their_own() -> Relation:
    a = project(scan(EVENTS), k="k", ts="ts", v="v", w="w")
    b = project(scan(EVENTS), k="k", ts="ts", v="v", w="w - 7")
    hot = [window(f"{name}_hot", "count", None, 25, "w > 1.0") for name in "ab"]
    answers = (windows(spine(), a, hot[0], label="a"), windows(spine(), b, hot[1], label="b"))
    return by_row(*(keep(answer, "row_id", f"{name}_hot") for name, answer in zip("ab", answers, strict=True)))


@plan
def views_of_two_kinds_left_joined() -> Relation:
    answers = (
        keep(spine(), "row_id"),
        latest_features("a_", scan(EVENTS), "v"),
        latest_features("b_", scan(EVENTS), "w"),
    )
    return Join((*answers, window_features("c_", scan(EVENTS))), ("row_id",), "left")


# Shared subplans and physical forms.


@plan
def aggregate_that_is_read_twice() -> Relation:
    return Join((keep(groups(), "k", "n"), project(groups(), k="k", more="most + 1")), ("k",))


@plan
def scan_that_is_read_twice() -> Relation:
    filtered = where(scan(EVENTS), "v > 2")
    return Join((keep(filtered, "k", "v"), keep(filtered, "k", "w")), ("k",))


@plan
def aggregate_that_is_materialized() -> Relation:
    kept = Materialize(groups(), name="kept")
    return Join((keep(kept, "k", "n"), project(kept, k="k", more="most + 1")), ("k",))


@plan
def events_that_are_a_union() -> Relation:
    return by_row(latest_features("a_", both_sources(), "v", ttl=12), window_features("b_", both_sources(), 25))


@plan
def join_of_renamed_tables() -> Relation:
    return Join((keep(scan(EVENTS), "k", "v"), project(scan(USERS), k="k", years="age")), ("k",))


# Valid plans that the rules must cope with; each has a test of its own, since a rule that fails on one fails alone.


def latest_views_with_hidden_names() -> Relation:
    """The joins below the projections call their features alike; the projections rename them."""
    a = latest(spine(), scan(EVENTS), pick("v"), label="a")
    b = latest(spine(), scan(EVENTS), pick("v", ttl=5), label="b")
    return by_row(project(a, row_id="row_id", a_v="v"), project(b, row_id="row_id", b_v="v"))


def window_views_with_hidden_names() -> Relation:
    """Like ``latest_views_with_hidden_names``, for windows."""
    a, b = windows(spine(), scan(EVENTS), label="a"), windows(spine(), scan(EVENTS), window("n", "sum"), label="b")
    return by_row(project(a, row_id="row_id", a_n="n"), project(b, row_id="row_id", b_n="n"))


def latest_views_joined_by_key() -> Relation:
    """Joined on a column that repeats and can be null, so the join multiplies some rows and drops others."""
    a = latest(spine(), scan(EVENTS), pick("v", prefix="a_"), label="a")
    b = latest(spine(), scan(EVENTS), pick("w", prefix="b_"), label="b")
    return Join((keep(a, "k", "a_v"), keep(b, "k", "b_w")), ("k",))


def latest_over_joined_events(condition: str = "k = 1") -> Relation:
    """The events are a join, into which a predicate on the keys moves on."""
    names = Values((Field("k", INT64), Field("grade", INT64)), ((1, 6), (2, 5)))
    return latest(spine(condition), Join((scan(EVENTS), names), ("k",)))


def latest_over_grouped_events() -> Relation:
    """The events are an aggregate, into which a predicate on the keys moves on."""
    measures = tuple(
        Measure(name, "max", Column(name, EVENTS.schema[name]), EVENTS.schema[name]) for name in ("v", "w", "status")
    )
    return latest(spine("k = 1"), Aggregate(scan(EVENTS), ("k", "ts"), measures))


def latest_over_computed_keys() -> Relation:
    """The key of the events is a conjunction, which is two predicates once it stands below the projection."""
    flags = table(
        "flags", pa.table({"a": [True, True, None], "b": [True, False, True], "ts": [5, 5, 5], "v": [1, 2, 3]})
    )
    left = NumberRows(project(scan(SPINE), t="t", flag="k = 1"), "row_id")
    events = project(scan(flags), flag="a and b", ts="ts", v="v")
    bounds = latest_interval("t", ttl=None, allow_exact_matches=True, data_delay=0)
    return AsofJoin(where(left, "flag"), events, (("flag", "flag"),), "t", "ts", (Pick(bounds, (), (("v", "v"),)),))


def latest_of_a_spine_filtered_by_a_cast_key() -> Relation:
    """The predicate holds for every key of the spine, and fails on a key that only the events have."""
    left = NumberRows(scan(table("texts", pa.table({"k": ["1", "2"], "t": [20, 20]}))), "row_id")
    events = table("text_events", pa.table({"k": ["1", "none"], "ts": [5, 5], "v": [1, 2]}))
    bounds = latest_interval("t", ttl=None, allow_exact_matches=True, data_delay=0)
    return latest(where(left, "cast(k as bigint) > 0"), scan(events), Pick(bounds, (), (("v", "v"),)))
