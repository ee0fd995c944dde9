"""Every form gives the reference's answer: in plain Python without any engine, and on each engine that can run it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import hitherto as ht
import pyarrow as pa
import pytest
from hitherto.planner.ir.intervals import latest_interval, window_interval
from hitherto.planner.ir.logical import AsofJoin, NumberRows, Pick, WindowAggregate, WindowMeasure, topological
from hitherto.planner.physical import FORMS, Form
from hitherto.planner.types import INT64
from hypothesis import given, seed, settings

from tests.engines import ENGINES, made
from tests.interpreter import Interpreted, Interpreter
from tests.options import GRIDS, Grid
from tests.relations import run, scan, table
from tests.tiers import few
from tests.worlds import World, differences, plain_worlds

BY_NAME = {form.name: form for form in FORMS}
GENERAL = ("RangeMax", "BucketedWindows")
"""Forms that answer what another one doesn't; they come last."""
FAST = {
    ("duckdb", "NarrowAsof", False),
    ("duckdb", "RunningMaximum", True),
    ("duckdb", "BucketedWindows", False),
    ("spark", "RunningMaximumStream", True),
}


def grid_of(engine: str, form: Form[Any], known: bool) -> Grid:
    """The views that a form answers, and fewer of them where that is slow."""
    make = GRIDS[form.on]
    if engine == "duckdb":
        return make().of(form, known=known)
    keys = (0, 2) if engine == "spark" else (2,) if form.on is AsofJoin else (1,)
    return make(keys=keys, uniques=(False,)).of(form, known=known)


def cases() -> Iterator[Any]:
    """Every form on the interpreter and on each engine that has its operators, for events as they are and as known."""
    small = {on: make(keys=(1,), uniques=(False,)) for on, make in GRIDS.items()}
    for form, known in itertools.product(FORMS, (False, True)):
        nodes = [node for node in small[form.on].nodes(known=known) if form.applies_to(node)]
        used = {type(each) for node in nodes for each in topological(form.of(node))}
        for engine in ("interpreter", *ENGINES):
            if nodes and not (engine in ENGINES and used & ENGINES[engine].lacks):
                is_fast = (engine, form.name, known) in FAST
                yield pytest.param(engine, form.name, known, marks=() if is_fast else pytest.mark.deep)


CASES = list(cases())


def test_every_form_is_tried_without_an_engine_and_on_one() -> None:
    for form in FORMS:
        engines = {engine for engine, name, _ in (case.values for case in CASES) if name == form.name}
        assert engines > {"interpreter"}, f"{form.name}: no view of its grid is one that it answers"
    assert {case.values for case in CASES} >= FAST


@pytest.mark.parametrize(("engine", "form", "known"), CASES)
def test_every_form_gives_the_references_answer(
    request: pytest.FixtureRequest, engine: str, form: str, known: bool
) -> None:
    runs = Interpreted(form) if engine == "interpreter" else made(request, engine)
    grid = grid_of(engine, BY_NAME[form], known)
    forced = ht.PlannerOptions(verify_each=True, forms={view.name: form for view in grid.views})
    assert grid.differences(runs, forced, known=known) == []


@pytest.mark.parametrize("examples", few([5, 50], fast=1))
@pytest.mark.parametrize("form", [form.name for form in FORMS if form.name != "BucketedWindows"])
def test_random_worlds_without_an_engine(form: str, examples: int) -> None:
    engine = Interpreted(form, *GENERAL)

    @seed(1)
    @settings(max_examples=examples)
    @given(plain_worlds())
    def check(world: World) -> None:
        job = world.job(engine)
        assert not differences(world, world.expected(), job.to_arrow())

    check()


def test_event_columns_that_are_called_like_others_of_the_join_stay_apart() -> None:
    """The spine's ``a`` takes the event's, whose new name is that of another event column."""
    spine = scan(table("rows", pa.table({"row_id": [0], "k": [1], "t": [20], "a": [7]})))
    events = scan(table("events", pa.table({"k": [1], "ts": [5], "a": [1], "a_2": [2]})))
    bounds = window_interval("t", window=20, offset=0, slide=None, closed="left", data_delay=0)
    measures = tuple(WindowMeasure(f"sum_{name}", "sum", name, None, bounds, (), INT64) for name in ("a", "a_2", "k"))
    numbered = NumberRows(spine, "number")
    windows = WindowAggregate(numbered, events, (("k", "k"),), "number", "t", "ts", measures, label="v")
    (row,) = run(windows)
    assert [row[f"sum_{name}"] for name in ("a", "a_2", "k")] == [1, 2, 1]
    picked = Pick(
        latest_interval("t", ttl=None, allow_exact_matches=True, data_delay=0), ("a", "a_2"), (("x", "a"), ("y", "a_2"))
    )
    joined = AsofJoin(numbered, events, (("k", "k"),), "t", "ts", (picked,), label="v")
    for form in ("NarrowAsof", "RangeMax", "UnionLast"):
        (row,) = Interpreter().rows(BY_NAME[form].of(joined))
        assert (row["x"], row["y"]) == (1, 2)


class Cramped(ht.LocalComputeEngine):
    """An engine that may hold next to nothing."""

    memory = 500


@pytest.mark.parametrize("form", [form.name for form in FORMS if form.in_parts(2) is not None])
def test_what_does_not_fit_the_memory_is_answered_in_parts(form: str) -> None:
    grid = GRIDS[BY_NAME[form].on](keys=(1,), uniques=(False,)).of(BY_NAME[form], known=False)
    views = [view for number, view in enumerate(grid.views) if number % 2 == 0]
    cramped, engine = replace(grid, views=views), Cramped(threads=2)
    forced = ht.PlannerOptions(verify_each=True, forms={view.name: form for view in views})
    shown = str(cramped.job(engine, forced, known=False).explain("physical"))
    assert re.search(r", in ([2-9]|[1-6][0-9]) parts", shown)
    assert cramped.differences(engine, forced, known=False) == []
