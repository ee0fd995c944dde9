"""Long and deep expressions, long chains of views and callers whose stack is nearly full: answered, or told our way."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

import hitherto as ht
import pyarrow as pa
import pytest
from hitherto.planner.expr.nodes import MOST_LEVELS, MOST_NODES
from hitherto.planner.expr.parse import parse_expression
from hitherto.planner.features.parts import MOST_CHAINED
from hitherto.planner.room import with_room
from hitherto.planner.types import BOOL, FLOAT64, INT64, STRING, Field, Schema

NOON = datetime(2024, 1, 1, 12)
EVENTS = pa.table({"k": [1], "ts": [NOON], "a": [3], "f": [0.1], "s": ["x"], "b": [True]})
ROWS = pa.table({"k": [1, 2], "event_timestamp": [datetime(2024, 1, 2)] * 2})
SCHEMA = Schema([Field("a", INT64), Field("f", FLOAT64), Field("s", STRING), Field("b", BOOL)])


def nested(inner: str, outer: str, times: int) -> str:
    """A text that is put into ``outer``, at ``{}``, so many times."""
    for _ in range(times):
        inner = outer.format(inner)
    return inner


def floats(times: int) -> float:
    total = 0.1
    for _ in range(times - 1):
        total += 0.1
    return total


LONG: dict[str, tuple[str, Any]] = {
    "sum": (" + ".join(["a"] * 200), 600),
    "sum of floats": (" + ".join(["f"] * 200), floats(200)),
    "sum from the right": (nested("a", "a + ({})", 199), 600),
    "concatenation": (" || ".join(["s"] * 200), "x" * 200),
    "calls": (nested("a", "abs({})", 200), 3),
    "case in case": (nested("a", "case when a = 0 then 1 else {} end", 200), 3),
    "many branches": ("case " + " ".join(f"when a = {n} then {n}" for n in range(1_000)) + " end", 3),
    "signs": ("- " * 200 + "a", 3),
    "parentheses": ("(" * 200 + "a" + ")" * 200, 3),
    "many arguments": (f"coalesce({', '.join(['null'] * 999)}, a)", 3),
}
CONDITIONS: dict[str, str] = {
    "and": " and ".join(f"a <> {n + 10}" for n in range(500)),
    "or": " or ".join(f"a = {n}" for n in range(500)),
    "not": "not " * 200 + "b",
    "in": f"a in ({', '.join(map(str, range(3_000)))})",
}


def source() -> ht.ArrowSource:
    return ht.ArrowSource(EVENTS, timestamp_field="ts")


def asked(view: ht.FeatureView, engine: ht.ComputeEngine | None = None) -> pa.Table:
    return ht.FeatureStore([view], engine=engine).get_historical_features(ROWS, [view]).to_arrow()


def everywhere() -> tuple[ht.FeatureView, ht.FeatureView]:
    """Every long expression as a column, every long condition as a filter and a where, and each after aggregation."""
    columns = {f"{name} column": text for name, (text, _) in LONG.items()}
    values = [ht.Aggregation(name, "last", name=name) for name in ("a", "f", "s", "b")]
    wheres = [ht.Aggregation("a", "sum", "2d", where=text, name=f"where {name}") for name, text in CONDITIONS.items()]
    after = {f"{name} after": text for name, (text, _) in LONG.items()}
    rows = ht.FeatureView(
        "rows", entities=["k"], source=source(), columns=columns, features=list(columns),
        filter=" and ".join(f"({text})" for text in CONDITIONS.values()),
    )  # fmt: skip
    windows = ht.FeatureView(
        "windows", entities=["k"], source=source(), aggregations=[*values, *wheres], post_aggregation=after
    )
    return rows, windows


@pytest.mark.deep
def test_long_and_deep_expressions_are_answered_wherever_they_stand() -> None:
    rows, windows = (asked(view).to_pylist()[0] for view in everywhere())
    for name, (_, value) in LONG.items():
        assert rows[f"{name} column"] == value, name
        assert windows[f"{name} after"] == value, name
    assert {windows[f"where {name}"] for name in CONDITIONS} == {3}


@pytest.mark.deep("spark")
@pytest.mark.deep
def test_long_and_deep_expressions_are_answered_on_spark(spark: Any) -> None:
    deepest = {name: LONG[name] for name in ("sum", "concatenation", "case in case")}
    columns = {f"{name} column": text for name, (text, _) in deepest.items()}
    view = ht.FeatureView(
        "v", entities=["k"], source=source(), filter=CONDITIONS["not"], columns=columns, features=list(columns)
    )
    answer = asked(view, ht.SparkComputeEngine(spark)).select(list(columns)).to_pylist()[0]
    assert answer == {f"{name} column": value for name, (_, value) in deepest.items()}


@pytest.mark.deep
def test_a_long_expression_is_explained_and_written_as_a_script() -> None:
    for view in everywhere():
        job = ht.FeatureStore([view]).get_historical_features(ROWS, [view])
        assert job.to_sql()
        assert str(job.explain(verbose=True))
        assert job.explain(format="json").to_dict()


@pytest.mark.parametrize("name", LONG)
def test_a_deep_tree_is_copied_pickled_and_compared(name: str) -> None:
    expr = parse_expression(LONG[name][0], SCHEMA, "column")
    again = pickle.loads(pickle.dumps(expr))
    assert again is not expr
    assert again == expr
    assert copy.deepcopy(expr) is expr


@pytest.mark.parametrize(
    "text",
    [
        " + ".join(["a"] * (MOST_LEVELS + 1)),
        "(" * (MOST_LEVELS + 1) + "a" + ")" * (MOST_LEVELS + 1),
        "- " * 5_000 + "a",
        nested("a", "abs({})", 5_000),
        "case when b then 1 else " * 5_000 + "a" + " end" * 5_000,
    ],
    ids=["sum", "parentheses", "signs", "calls", "case"],
)
def test_an_expression_deeper_than_the_limit_is_refused_with_the_limit(text: str) -> None:
    with pytest.raises(ht.DefinitionError, match=f"nested at most {MOST_LEVELS} levels deep"):
        parse_expression(text, SCHEMA, "column")


def test_columns_that_read_each_other_twice_are_refused_before_they_are_written_out() -> None:
    columns = {f"x{n}": f"x{n - 1} + x{n - 1}" if n else "a" for n in range(40)}
    view = ht.FeatureView("v", entities=["k"], source=source(), columns=columns)
    with pytest.raises(ht.DefinitionError, match=f"at most {MOST_NODES:,} parts"):
        ht.FeatureStore([view]).get_historical_features(ROWS, [view])


def chained(count: int) -> ht.FeatureView:
    view = ht.FeatureView("v", entities=["k"], source=source(), columns={"x0": "a"})
    for number in range(1, count):
        view = ht.FeatureView(f"v{number}", entities=["k"], source=view, columns={f"x{number}": f"x{number - 1} + 1"})
    return view


def test_a_chain_of_as_many_views_as_there_may_be_is_answered() -> None:
    view = chained(MOST_CHAINED)
    job = ht.FeatureStore([view]).get_historical_features(ROWS, [f"{view.name}:x{MOST_CHAINED - 1}"])
    assert job.to_arrow()[f"x{MOST_CHAINED - 1}"].to_pylist() == [MOST_CHAINED + 2, None]
    assert view == ht.FeatureView(**{name: getattr(view, name) for name in ("name", "entities", "source", "columns")})
    assert len(pickle.loads(pickle.dumps(view)).chain) == MOST_CHAINED


def test_a_chain_whose_columns_are_too_deep_for_one_query_is_cut_into_several() -> None:
    view = ht.FeatureView("v", entities=["k"], source=source(), columns={"x0": "a"})
    for number in range(1, 5):
        deep = " + ".join([f"x{number - 1}", *["1"] * 199])
        view = ht.FeatureView(f"v{number}", entities=["k"], source=view, columns={f"x{number}": deep})
    assert asked(view)["x4"].to_pylist() == [3 + 4 * 199, None]


def test_a_longer_chain_is_refused_with_the_limit() -> None:
    with pytest.raises(ht.DefinitionError, match=f"{MOST_CHAINED} in a chain are the most"):
        chained(MOST_CHAINED + 1)


def below(frames: int, work: Callable[[], Any]) -> Any:
    """The work's result, called from so many frames further down."""
    return work() if frames == 0 else below(frames - 1, work)


def test_a_caller_whose_stack_is_nearly_full_is_answered() -> None:
    def everything() -> list[Any]:
        view = ht.FeatureView(
            "v", entities=["k"], source=source(), filter="a > 1", columns={"x": "abs(a) + 1"},
            aggregations=[ht.Aggregation("x", "sum", "2d", where="lower(s) = 'x'", name="x")],
        )  # fmt: skip
        return asked(view)["x"].to_pylist()

    everything()  # imports are deep once
    depth, frame = 0, sys._getframe()
    while frame.f_back is not None:
        depth, frame = depth + 1, frame.f_back
    assert below(sys.getrecursionlimit() - depth - 100, everything) == [4, None]
    assert sys.getrecursionlimit() < 10_000


def test_recursion_without_an_end_is_still_an_error() -> None:
    @with_room
    def endless(number: int) -> int:
        return endless(number + 1)

    before = sys.getrecursionlimit()
    with pytest.raises(ht.HithertoError, match="nested too deep to be planned: 100,000 calls"):
        endless(0)
    assert sys.getrecursionlimit() == before
