"""Tiles: as many levels as the longest window needs, and every function that merges, on windows of any length."""

from __future__ import annotations

import math
from typing import Any

import hitherto as ht
import pyarrow as pa
import pytest
from hitherto.planner.expr.aggregates import AGGREGATES
from hitherto.planner.physical import tiled_windows

from tests.interpreter import Interpreted

MERGING = tuple(name for name, each in AGGREGATES.items() if each.states)
TIMES = range(-300, 300, 7)
EVENTS = pa.table({
    "k": pa.array([number % 3 or None for number, _ in enumerate(TIMES)], pa.int64()),
    "ts": pa.array(TIMES, pa.timestamp("us")),
    "v": pa.array([None if at % 5 == 0 else at * 0.5 for at in TIMES], pa.float64()),
    "n": pa.array([at * 10**15 for at in TIMES], pa.int64()),
    "is": pa.array([at % 4 == 0 for at in TIMES]),
})  # fmt: skip
ROWS = pa.table(
    {
        "k": pa.array([1, 2, 2, 1, 9, None] * 4, pa.int64()),
        "t": pa.array([at * 13 for at in range(-12, 12)], pa.timestamp("us")),
    }
)


def view(*windows: str, functions: tuple[str, ...] = ("sum", "count"), **given: Any) -> ht.FeatureView:
    def column(function: str) -> str:
        return "is" if function.startswith("bool") else "n" if function == "sum" else "v"

    return ht.FeatureView(
        "v",
        entities=["k"],
        source=ht.ArrowSource(EVENTS, timestamp_field="ts"),
        aggregations=[
            ht.Aggregation(column(function), function, window, name=f"{function} {window}", **given)
            for function in functions
            for window in windows
        ],
    )


def answer(asked: ht.FeatureView, form: str, engine: ht.ComputeEngine | None = None) -> pa.Table:
    options = ht.PlannerOptions(forms={"v": form})
    store = ht.FeatureStore([asked], engine=engine, planner_options=options)
    return store.get_historical_features(ROWS, asked).to_arrow()


def same(one: Any, other: Any) -> bool:
    is_float = isinstance(one, float) and isinstance(other, float)
    return math.isclose(one, other, rel_tol=1e-9) if is_float else bool(one == other)


def test_one_level_too_few_gives_another_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = view("1us", "250us")
    wanted = answer(asked, "BucketedWindows")
    assert answer(asked, "TiledWindows") == wanted
    all_levels = tiled_windows.levels_of
    monkeypatch.setattr(tiled_windows, "levels_of", lambda interval, hop: all_levels(interval, hop) - 1)
    assert answer(asked, "TiledWindows") != wanted


@pytest.mark.parametrize("first", [2, 18, *(pytest.param(each, marks=pytest.mark.deep) for each in (34, 50))])
def test_windows_of_every_length_are_whole(first: int) -> None:
    lengths = (1, *range(first, first + 16), 3 * first + 100)
    asked = view(*(f"{length}us" for length in lengths), slide_interval="2us", closed="both")
    assert answer(asked, "TiledWindows") == answer(asked, "BucketedWindows")


@pytest.mark.parametrize("offset", ["0us", "40us"])
def test_every_function_that_merges_is_answered_by_tiles(offset: str) -> None:
    asked = view("20us", "190us", functions=MERGING, offset=offset)
    wanted = answer(asked, "BucketedWindows").to_pydict()
    for engine in (ht.LocalComputeEngine(), Interpreted("TiledWindows")):
        found = answer(asked, "TiledWindows", engine).to_pydict()
        assert found.keys() == wanted.keys()
        for name, values in wanted.items():
            assert all(map(same, found[name], values)), name


def test_functions_that_do_not_merge_and_windows_without_a_beginning_have_no_tiles() -> None:
    for asked in (view("20us", functions=("sum", "median")), view("20us", functions=("last",))):
        with pytest.raises(ht.DefinitionError, match="answered here by no form 'TiledWindows'"):
            answer(asked, "TiledWindows")
    lifetime = ht.FeatureView(
        "v",
        entities=["k"],
        source=ht.ArrowSource(EVENTS, timestamp_field="ts"),
        aggregations=[ht.Aggregation("n", "sum"), ht.Aggregation("n", "sum", "20us")],
    )
    with pytest.raises(ht.DefinitionError, match="answered here by no form 'TiledWindows'"):
        answer(lifetime, "TiledWindows")


def test_a_sum_beyond_64_bits_is_an_error_and_one_that_comes_back_is_not() -> None:
    events = pa.table({"k": [1] * 3, "ts": pa.array([1, 100, 200], pa.timestamp("us")), "n": [2**63 - 1, 5, -5]})
    source = ht.ArrowSource(events, timestamp_field="ts")
    asked = ht.FeatureView("v", entities=["k"], source=source, aggregations=[ht.Aggregation("n", "sum", "400us")])
    store = ht.FeatureStore([asked], planner_options=ht.PlannerOptions(forms={"v": "TiledWindows"}))

    def at(time: int) -> Any:
        rows = pa.table({"k": [1], "t": pa.array([time], pa.timestamp("us"))})
        return store.get_historical_features(rows, asked).to_arrow()[-1].to_pylist()

    assert at(201) == [2**63 - 1]
    with pytest.raises(ht.EngineError, match="sum_n_400us"):
        at(150)
