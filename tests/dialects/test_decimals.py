"""Decimals are computed with exactly, on every engine as by Python, and come out with the digits that are planned."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal
from typing import Any

import pyarrow as pa
import pytest
from hitherto.planner.errors import EngineError, PlanTypeError
from hitherto.runtime.arrow import arrow_type
from hitherto.runtime.engine import SqlComputeEngine

from tests.dialects.engines import evaluated, typed
from tests.tiers import few

EXACT = Context(prec=100)
TYPES = [(1, 0), (3, 3), (4, 2), (9, 4), (10, 2), (17, 1), (18, 2), (18, 18), (19, 5), (25, 10), (30, 0), (38, 10)]
INTEGERS = {"tiny": pa.int8(), "small": pa.int16(), "plain": pa.int32(), "large": pa.int64()}
ROWS = 24


def places(value: Decimal, digits: int, how: str) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-digits), rounding=how, context=EXACT)


BINARY: dict[str, Callable[[Decimal, Decimal], Any]] = {
    "{} + {}": EXACT.add, "{} - {}": EXACT.subtract, "{} * {}": EXACT.multiply,
    "{} < {}": lambda a, b: a < b, "{} = {}": lambda a, b: a == b, "greatest({}, {})": max,
}  # fmt: skip
UNARY: dict[str, Callable[[Decimal], Any]] = {
    "-{}": EXACT.minus, "abs({})": EXACT.abs, "sign({})": lambda a: (a > 0) - (a < 0),
    "floor({})": lambda a: places(a, 0, ROUND_FLOOR), "ceil({})": lambda a: places(a, 0, ROUND_CEILING),
    "round({})": lambda a: places(a, 0, ROUND_HALF_UP), "round({}, 1)": lambda a: places(a, 1, ROUND_HALF_UP),
    "round({}, 3)": lambda a: places(a, 3, ROUND_HALF_UP),
    "{} * 1.5": lambda a: EXACT.multiply(a, Decimal("1.5")), "{} + 0.005": lambda a: EXACT.add(a, Decimal("0.005")),
    "10 - {}": lambda a: EXACT.subtract(Decimal(10), a), "{} / 4": lambda a: float(a) / 4,
}  # fmt: skip


def values(random_: random.Random, precision: int, scale: int) -> list[Decimal | None]:
    """Null, zero, both ends, the smallest step, halves, and any."""
    most = 10**precision - 1
    halves = [5 * 10 ** (scale - 1), -5 * 10 ** (scale - 1)] if scale else []
    some = [number for number in (0, most, -most, 1, -1, *halves) if abs(number) <= most]
    while len(some) < ROWS - 1:
        some.append(random_.randint(-most, most) // 10 ** random_.randint(0, precision - 1))
    random_.shuffle(some)
    return [None, *(Decimal(number).scaleb(-scale, EXACT) for number in some)]


def whole(random_: random.Random, type_: pa.DataType) -> list[int | None]:
    most = 2 ** (type_.bit_width - 1) - 1
    some = [0, most, -most - 1, 1, -1] + [random_.randint(-most, most) for _ in range(ROWS - 6)]
    return [None, *some]


@pytest.mark.deep("spark")
def test_decimals_are_computed_with_exactly(engine: SqlComputeEngine) -> None:
    random_ = random.Random(5)
    rows = pa.table(
        {f"d{p}_{s}": pa.array(values(random_, p, s), pa.decimal128(p, s)) for p, s in TYPES}
        | {name: pa.array(whole(random_, type_), type_) for name, type_ in INTEGERS.items()}
    )
    asked: list[tuple[str, tuple[str, ...], Callable[..., Any]]] = []
    decimals = [name for name in rows.column_names if name.startswith("d")]
    for text, meaning in UNARY.items():
        asked += [(text.format(name), (name,), meaning) for name in decimals]
    for text, meaning in BINARY.items():
        pairs = [(one, other) for one in decimals for other in rows.column_names]
        asked += [(text.format(*pair), pair, meaning) for pair in random_.sample(pairs, 40)]
    fitting, expected = [], []
    for text, names, meaning in asked:
        wanted = [answer(meaning, row) for row in zip(*(rows[name].to_pylist() for name in names), strict=True)]
        try:
            expr = typed(text, rows)
        except PlanTypeError:
            continue  # It needs more than 38 digits, or a common type that does.
        if any(isinstance(value, Decimal) and abs(value) >= 10 ** (38 - expr.type.scale) for value in wanted):
            continue
        fitting.append(expr)
        expected.append((text, wanted))
    assert len(fitting) > 250
    for start in range(0, len(fitting), 60):
        found = evaluated(engine, fitting[start : start + 60], rows)
        for expr, column, (text, wanted) in zip(
            fitting[start : start + 60], found, expected[start : start + 60], strict=True
        ):
            assert column.type == arrow_type(expr.type), text
            assert (text, column.to_pylist()) == (text, wanted)


def answer(meaning: Callable[..., Any], row: tuple[Any, ...]) -> Any:
    known = [Decimal(value) for value in row if value is not None]
    if meaning is max:
        return max(known) if known else None
    return meaning(*known) if len(known) == len(row) else None


@pytest.mark.parametrize(
    "text", few(["a + a", "-a - a", "a * 10", "a * a", "b + 1", "a * 1000000"], fast=2, on="spark")
)
def test_a_result_beyond_38_digits_is_an_error(engine: SqlComputeEngine, text: str) -> None:
    most = Decimal(10**38 - 1)
    rows = pa.table({
        "a": pa.array([most.scaleb(-5, EXACT)], pa.decimal128(38, 5)), "b": pa.array([most], pa.decimal128(38, 0)),
    })  # fmt: skip
    with pytest.raises(EngineError, match=r"(?i)overflow|out of range|cannot be represented"):
        evaluated(engine, [typed(text, rows)], rows)
