"""Comparisons and the order of ties on every engine: NaN highest, -0.0 is 0.0, texts by bytes, nulls lowest."""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import hitherto as ht
import pyarrow as pa
import pytest
from hitherto.runtime.engine import SqlComputeEngine

from tests.dialects.engines import evaluated, typed
from tests.reference import value_order

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "<>": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
POOLS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "float64": (pa.float64(), [float("-inf"), -1.5, -0.0, 0.0, 1e308, float("inf"), float("nan"), None]),
    "float32": (pa.float32(), [float("-inf"), -0.0, 0.0, 0.5, float("nan"), None]),
    "int64": (pa.int64(), [-(2**63), -1, 0, 2**63 - 1, None]),
    "decimal": (pa.decimal128(9, 2), [Decimal("-1.50"), Decimal("0.00"), Decimal("0.01"), None]),
    "string": (pa.string(), ["", " ", "A", "a", "a ", "a\x00", "ab", "z", "é", "e\u0301", "ä", "\uffff", "🦆", None]),
    "binary": (pa.binary(), [b"", b"\x00", b"\x7f", b"\x80", b"\xff", b"\xff\x00", None]),
    "bool": (pa.bool_(), [False, True, None]),
    "date": (pa.date32(), [date(1, 1, 1), date(1969, 12, 31), date(1970, 1, 1), date(9999, 12, 31), None]),
    "timestamp": (pa.timestamp("us"), [-1, 0, 1, 253_402_300_799_999_999, None]),
}


def truths(engine: Any, texts: list[str], rows: pa.Table) -> dict[str, list[bool | None]]:
    """What each condition is for every row."""
    columns = evaluated(engine, [typed(text, rows) for text in texts], rows)
    return {text: column.to_pylist() for text, column in zip(texts, columns, strict=False)}


def test_every_pair_of_values_compares_as_the_law_says(engine: SqlComputeEngine) -> None:
    for name, (type_, pool) in POOLS.items():
        pairs = [(one, other) for one in pool for other in pool]
        rows = pa.table({side: pa.array([pair[i] for pair in pairs], type_) for i, side in enumerate("ab")})
        found = truths(engine, [f"a {sign} b" for sign in OPERATORS], rows)
        for sign, holds in OPERATORS.items():
            expected = [
                None if one is None or other is None else holds(value_order(one), value_order(other))
                for one, other in pairs
            ]
            assert found[f"a {sign} b"] == expected, f"{name} {sign}"


def test_between_and_in_compare_alike(engine: SqlComputeEngine) -> None:
    type_, pool = POOLS["float64"]
    rows = pa.table({"a": pa.array(pool, type_)})
    found = truths(engine, ["a between 0 and 1e308", "a in (0.0, 1.5)"], rows)
    assert found["a between 0 and 1e308"] == [False, False, True, True, True, False, False, None]
    assert found["a in (0.0, 1.5)"] == [False, False, True, True, False, False, False, None]


@pytest.mark.deep("spark")
def test_the_greatest_value_wins_a_full_tie(engine: SqlComputeEngine) -> None:
    for name, (type_, pool) in POOLS.items():
        pairs = [(one, other) for one in pool for other in pool]
        keys = [number for number, _ in enumerate(pairs)]
        data = pa.table({
            "k": pa.array([key for key in keys for _ in (0, 1)], pa.int64()),
            "ts": pa.array([5 for _ in keys for _ in (0, 1)], pa.timestamp("us")),
            "x": pa.array([value for pair in pairs for value in pair], type_),
        })  # fmt: skip
        view = ht.FeatureView("view", entities=["k"], source=ht.ArrowSource(data, timestamp_field="ts"), features=["x"])
        rows = pa.table(
            {"k": pa.array(keys, pa.int64()), "event_timestamp": pa.array([5] * len(keys), pa.timestamp("us"))}
        )
        found = ht.FeatureStore([view], engine=engine).get_historical_features(rows, view).to_arrow()["x"]
        ticks = found.cast(pa.int64()) if pa.types.is_timestamp(type_) else found
        expected = [max(pair, key=value_order) for pair in pairs]
        assert [value_order(value) for value in ticks.to_pylist()] == [value_order(value) for value in expected], name
