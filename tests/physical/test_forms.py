"""Every form gives the reference's answer: in plain Python without any engine, and forced on DuckDB."""

from __future__ import annotations

import hitherto as ht
import pyarrow as pa
import pytest
from hitherto.planner.ir.intervals import latest_interval, window_interval
from hitherto.planner.ir.logical import AsofJoin, NumberRows, Pick, WindowAggregate, WindowedAggregate
from hitherto.planner.physical import FORMS
from hitherto.planner.types import INT64
from hypothesis import given, seed, settings

from tests.interpreter import Interpreted, Interpreter
from tests.options import latest_grid, windows_grid
from tests.relations import run, scan, table
from tests.worlds import World, differences, plain_worlds

BY_NAME = {form.name: form for form in FORMS}

KNOWN = ("RunningMaximum", "RunningMaximumStream")
LATEST = ("NarrowAsof", "RangeMax", "UnionLast")
WINDOWS = ("BucketedWindows",)
LEGAL = [*((form, False) for form in LATEST), ("RangeMax", True), *((form, True) for form in KNOWN)]
FAST = [("NarrowAsof", False), ("RunningMaximum", True)]
GRID = [pytest.param(*each, marks=() if each in FAST else pytest.mark.deep) for each in LEGAL]


def test_every_form_is_here() -> None:
    assert {*LATEST, *KNOWN, *WINDOWS} == {form.name for form in FORMS}


def forced(form: str) -> tuple[str, ...]:
    """The form with those that answer what it doesn't."""
    others = () if form == "RangeMax" else ("RangeMax",)
    return (form, *others, *WINDOWS)


def duckdb_with(*forms: str) -> ht.LocalComputeEngine:
    """DuckDB, which offers every operator, with these forms."""
    engine = ht.LocalComputeEngine(threads=1)
    engine.forms = frozenset(forms)  # type: ignore[misc]
    return engine


@pytest.mark.parametrize("examples", [8, pytest.param(50, marks=pytest.mark.deep)])
@pytest.mark.parametrize("form", [*LATEST, *KNOWN])
def test_random_worlds_without_an_engine(form: str, examples: int) -> None:
    engine = Interpreted(*(forced(form) if form not in KNOWN else (form, "UnionLast", *WINDOWS)))

    @seed(1)
    @settings(max_examples=examples)
    @given(plain_worlds())
    def check(world: World) -> None:
        job = world.job(engine)
        assert not differences(world, world.expected(), job.to_arrow())

    check()


@pytest.mark.deep
@pytest.mark.parametrize(("form", "known"), LEGAL)
def test_latest_values_without_an_engine(form: str, known: bool) -> None:
    assert latest_grid(keys=(2,), uniques=(False,)).differences(Interpreted(form), known=known) == []


@pytest.mark.parametrize("known", [pytest.param(False, marks=pytest.mark.deep), True])
def test_windows_without_an_engine(known: bool) -> None:
    assert windows_grid(keys=(1,)).differences(Interpreted(*WINDOWS), known=known) == []


@pytest.mark.parametrize(("form", "known"), GRID)
def test_latest_values_forced_on_duckdb(form: str, known: bool) -> None:
    assert latest_grid().differences(duckdb_with(form), known=known) == []


def test_event_columns_that_are_called_like_others_of_the_join_stay_apart() -> None:
    """The spine's ``a`` takes the event's, whose new name is that of another event column."""
    spine = scan(table("rows", pa.table({"row_id": [0], "k": [1], "t": [20], "a": [7]})))
    events = scan(table("events", pa.table({"k": [1], "ts": [5], "a": [1], "a_2": [2]})))
    bounds = window_interval("t", window=20, offset=0, slide=None, closed="left", data_delay=0)
    measures = tuple(
        WindowedAggregate(f"sum_{name}", "sum", name, None, bounds, (), INT64) for name in ("a", "a_2", "k")
    )
    numbered = NumberRows(spine, "number")
    windows = WindowAggregate(numbered, events, (("k", "k"),), "number", "t", "ts", measures, label="v")
    (row,) = run(windows)
    assert [row[f"sum_{name}"] for name in ("a", "a_2", "k")] == [1, 2, 1]
    picked = Pick(
        latest_interval("t", ttl=None, allow_exact_matches=True, data_delay=0), ("a", "a_2"), (("x", "a"), ("y", "a_2"))
    )
    joined = AsofJoin(numbered, events, (("k", "k"),), "t", "ts", (picked,), label="v")
    for form in LATEST:
        (row,) = Interpreter().rows(BY_NAME[form].of(joined))
        assert (row["x"], row["y"]) == (1, 2)
