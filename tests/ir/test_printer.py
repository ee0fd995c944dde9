"""Plans as text: deterministic, one line per relation, bounds as people write them."""

from __future__ import annotations

from typing import Literal as OneOf

import pytest
from hitherto.planner.durations import parse_duration
from hitherto.planner.expr.nodes import Call, Column, Literal
from hitherto.planner.ir.data import ParquetFiles
from hitherto.planner.ir.intervals import latest_interval, window_interval
from hitherto.planner.ir.logical import Aggregate, Join, Relation, Scan, Table, Union, Values
from hitherto.planner.ir.operators import Materialize
from hitherto.planner.ir.printer import describe, format_expr, format_interval, tree
from hitherto.planner.physical import FORMS
from hitherto.planner.types import BOOL, INT64, Field, Schema

from tests.relations import expression, scan
from tests.rules.plans import EVENTS, PLANS, USERS, keep, latest, pick, project, spine, where, windows

BY_NAME = {form.name: form for form in FORMS}

EVENT_SCAN = scan(EVENTS)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("v > 2", "v > 2"),
        ("v + k * 2 > 1", "(v + (k * 2)) > 1"),
        ("status is not null", "status is not null"),
        ("v is null", "v is null"),
        ("status = 'it''s'", "status = 'it''s'"),
        ("v = null", "v = null"),
        ("true and v > 2", "true and (v > 2)"),
        ("cast(v as double)", "cast(v as float64)"),
        ("coalesce(v, 0)", "coalesce(v, 0)"),
        ("v // 2 <> 7 % k", "(v // 2) <> (7 % k)"),
    ],
)
def test_an_expression_is_printed_as_sql(text: str, printed: str) -> None:
    assert format_expr(expression(text, EVENT_SCAN)) == printed


def test_a_timestamp_is_printed_as_one() -> None:
    assert format_expr(expression("timestamp '2024-01-02 03:04:05'", EVENT_SCAN)) == "timestamp '2024-01-02 03:04:05'"


def test_a_bound_on_a_time_is_printed_as_the_instant() -> None:
    bound = Call("lt", (Column("ts", INT64), Literal(1_704_153_600_000_000, INT64)), BOOL)
    assert format_expr(bound) == "ts < '2024-01-02 00:00:00'"


@pytest.mark.parametrize(
    ("ttl", "exact", "delay", "printed"),
    [
        (None, True, "0s", "ts <= t"),
        (None, False, "0s", "ts < t"),
        ("90d", True, "0s", "ts <= t, ttl 90d"),
        ("90d", False, "1h", "ts < t-1h, ttl 90d"),
        (None, True, "1h", "ts <= t-1h"),
    ],
)
def test_a_latest_interval_is_printed_around_t(ttl: str | None, exact: bool, delay: str, printed: str) -> None:
    micros = None if ttl is None else parse_duration(ttl)
    interval = latest_interval("t", ttl=micros, allow_exact_matches=exact, data_delay=parse_duration(delay))
    assert format_interval(interval) == printed


@pytest.mark.parametrize(
    ("closed", "printed"),
    [("left", "[t-7d, t)"), ("right", "(t-7d, t]"), ("both", "[t-7d, t]"), ("neither", "(t-7d, t)")],
)
def test_a_window_is_printed_with_its_brackets(closed: OneOf["left", "right", "both", "neither"], printed: str) -> None:
    width = parse_duration("7d")
    interval = window_interval("t", window=width, offset=0, slide=None, closed=closed, data_delay=0)
    assert format_interval(interval) == printed


def test_an_offset_window_is_printed_in_the_past() -> None:
    width, offset = parse_duration("7d"), parse_duration("1d")
    interval = window_interval("t", window=width, offset=offset, slide=None, closed="left", data_delay=0)
    assert format_interval(interval) == "[t-8d, t-1d)"


def lines() -> list[tuple[Relation, str]]:
    files = Table("files", Schema([Field("k", INT64)]), ParquetFiles(("a.parquet", "b.parquet")), name="files")
    return [
        (EVENT_SCAN, "Scan events  5 columns"),
        (scan(EVENTS, "k"), "Scan events  1 column"),
        (Scan(EVENTS, ("k",), expression("v > 2", EVENTS.schema)), "Scan events  1 column where v > 2"),
        (scan(files), "Scan files  1 column, 2 files"),
        (spine(), "NumberRows row_id"),
        (Values((Field("k", INT64),), ((1,), (2,))), "Values  2 rows"),
        (keep(EVENT_SCAN, "k"), "Project  1 column"),
        (project(EVENT_SCAN, k="k", more="v + 1"), "Project  2 columns, computes more"),
        (where(EVENT_SCAN, "v > 2 or v < 0"), "Filter ((v > 2) or (v < 0))"),
        (where(EVENT_SCAN, "k = 1 and (v > 2 or v < 0)"), "Filter k = 1 and ((v > 2) or (v < 0))"),
        (Aggregate(EVENT_SCAN, ("k", "status")), "Aggregate  by k, status"),
        (Join((EVENT_SCAN, scan(USERS)), ("k",)), "Join by k  2 inputs"),
        (Join((EVENT_SCAN, scan(USERS)), ("k",), "left"), "Join left by k  2 inputs"),
        (Union((EVENT_SCAN, EVENT_SCAN)), "Union  2 inputs"),
        (latest(spine(), EVENT_SCAN), "AsofJoin latest  on k, ts <= t, 2 features"),
        (windows(spine(), EVENT_SCAN), "WindowAggregate windows  on k, [t-10us, t), 2 aggregates"),
        (Materialize(EVENT_SCAN, name="kept"), "Materialize kept"),
    ]


@pytest.mark.parametrize(("relation", "printed"), lines(), ids=[printed for _, printed in lines()])
def test_a_relation_is_one_line(relation: Relation, printed: str) -> None:
    assert describe(relation) == printed


def test_a_physical_form_is_printed_like_its_logical_one() -> None:
    joined = latest(spine(), EVENT_SCAN)
    assert describe(BY_NAME["NarrowAsof"].of(joined)) == "NarrowAsof latest  on k, ts <= t, 2 features"


def test_a_bucketed_form_says_its_bucket() -> None:
    relation = windows(spine(), EVENT_SCAN)
    form = BY_NAME["BucketedWindows"].of(relation)
    assert describe(form).endswith("2 aggregates, bucket 10us")


def test_the_steps_of_a_form_are_printed_where_they_are_asked_for() -> None:
    form = BY_NAME["NarrowAsof"].of(latest(spine(), EVENT_SCAN))
    assert [line.strip("├─└│ ") for line in tree(form)] == [
        "#4 NarrowAsof latest  on k, ts <= t, 2 features",
        *[line.strip("├─└│ ") for line in tree(form.inputs[0]) if "row_id" in line or "Scan" in line][:3],
    ]
    assert any("AsofMatch on k, matched_ts <= t" in line for line in tree(form, verbose=True))


def test_a_fused_label_names_all_views() -> None:
    assert describe(latest(spine(), EVENT_SCAN, pick("v"), label="a+b")).startswith("AsofJoin a, b ")


def test_a_shared_relation_is_written_out_once() -> None:
    shared = where(EVENT_SCAN, "v > 2")
    assert tree(Union((shared, shared))) == [
        "#3 Union  2 inputs",
        "├─ #2 Filter v > 2",
        "│  └─ #1 Scan events  5 columns",
        "└─ #2 Filter v > 2  (as above)",
    ]


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_built_anew_prints_the_same(name: str) -> None:
    assert tree(PLANS[name]()) == tree(PLANS[name]())


@pytest.mark.parametrize("name", PLANS)
def test_no_line_ends_in_a_space_or_shows_an_address(name: str) -> None:
    for line in tree(PLANS[name]()):
        assert line == line.rstrip()
        assert "0x" not in line
