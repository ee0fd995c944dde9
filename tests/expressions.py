"""A pool of SQL texts over one column. Each stands beside the function that says what it means; None is SQL's null."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

import pyarrow as pa

from tests.reference import Evaluate, Row, value_order

HOUR, DAY = 3_600_000_000, 86_400_000_000
_EXACT = Context(prec=60)


@dataclass(frozen=True)
class Column:
    """A column to be: the values it may have, in the unit of its type."""

    name: str
    type: pa.DataType
    pool: tuple[Any, ...]
    is_summable: bool = True

    @property
    def is_integer(self) -> bool:
        return bool(pa.types.is_integer(self.type))

    @property
    def is_decimal(self) -> bool:
        return bool(pa.types.is_decimal(self.type))

    @property
    def is_number(self) -> bool:
        return self.is_integer or self.is_decimal or bool(pa.types.is_floating(self.type))

    @property
    def is_text(self) -> bool:
        return answered(self.type) == pa.string()

    @property
    def is_instant(self) -> bool:
        """A timestamp whose value is what it is as a time: the law rounds nanoseconds by role."""
        return bool(pa.types.is_timestamp(self.type)) and self.type.unit != "ns"


def answered(type_: pa.DataType) -> pa.DataType:
    """A column's type as a feature: a timestamp is in microseconds, and a text is a plain one."""
    if pa.types.is_timestamp(type_):
        return pa.timestamp("us", type_.tz)
    is_text = pa.types.is_large_string(type_) or pa.types.is_dictionary(type_)
    return pa.string() if is_text else pa.binary() if pa.types.is_large_binary(type_) else type_


def quoted(name: str) -> str:
    """The name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


Condition = tuple[str, Evaluate]
Computation = tuple[str, pa.DataType, Evaluate]
INT64, FLOAT64, STRING, BOOL = pa.int64(), pa.float64(), pa.string(), pa.bool_()


def conditions(column: Column) -> list[Condition]:
    """Predicates over a column."""
    name, sql = column.name, quoted(column.name)

    def known(holds: Callable[[Any], bool]) -> Evaluate:
        return lambda row: None if row[name] is None else holds(row[name])

    found: list[Condition] = [(f"{sql} is not null", lambda row: row[name] is not None)]
    if column.is_number:
        found += [
            (f"{sql} > 1", known(lambda value: value_order(value) > value_order(1))),
            (f"{sql} between 0 and 2.5", known(lambda value: 0 <= value <= 2.5)),
            (f"{sql} is distinct from 1", lambda row: row[name] is None or value_order(row[name]) != value_order(1)),
            (f"sign({sql}) in (1, 0)", known(lambda value: _sign(value) >= 0)),
            (f"greatest({sql}, 2) = 2", lambda row: value_order(row[name]) <= value_order(2)),
        ]
    if column.is_integer:
        found.append((f"{sql} % 2 = 0", known(lambda value: value % 2 == 0)))
    if column.is_text:
        found += [
            (f"{sql} in ('a', 'ü', '')", known(lambda value: value in ("a", "ü", ""))),
            (f"{sql} < 'b'", known(lambda value: value.encode() < b"b")),
            (f"{sql} ilike 'Z%'", known(lambda value: value[:1] in ("z", "Z"))),
            (f"{sql} like '_'", known(lambda value: len(value) == 1)),
            (f"starts_with({sql}, 'z')", known(lambda value: value.startswith("z"))),
            (f"contains({sql}, 'ü') is not true", lambda row: row[name] is None or "ü" not in row[name]),
            (f"regexp_matches({sql}, '^[a-y]|Z')", known(lambda value: re.search("^[a-y]|Z", value) is not None)),
            (f"{sql} is not distinct from null", lambda row: row[name] is None),
        ]
    if column.type == BOOL:
        found += [(sql, lambda row: row[name]), (f"{sql} is not true", lambda row: row[name] is not True)]
    if column.type == pa.date32():
        found.append((f"{sql} >= date '1970-01-01'", known(lambda value: value >= date(1970, 1, 1))))
        found.append((f"isodow({sql}) < 6", known(lambda value: value.isoweekday() < 6)))
    if column.is_instant:
        found += [
            (f"{sql} >= timestamp '1970-01-01 00:00:00'", known(lambda value: value >= 0)),
            (f"extract(hour from {sql}) = 0", known(lambda value: value // HOUR % 24 == 0)),
            (f"epoch_us({sql}) % 2 = 0", known(lambda value: value % 2 == 0)),
        ]
    return found


def computations(column: Column) -> list[Computation]:
    """Expressions over a column, with the types that they have."""
    name, sql = column.name, quoted(column.name)

    def known(value_of: Callable[[Any], Any]) -> Evaluate:
        return lambda row: None if row[name] is None else value_of(row[name])

    def choice(value: Any) -> Evaluate:
        return lambda row: value if row[name] is None else row[name]

    found: list[Computation] = [(f"{sql} is null", BOOL, lambda row: row[name] is None)]
    if column.is_integer:
        found += [
            (f"{sql} / 2", FLOAT64, known(lambda value: float(value) / 2.0)),
            (f"coalesce({sql}, 7)", INT64, choice(7)),
            (f"nullif({sql}, 1)", INT64, lambda row: None if row[name] == 1 else row[name]),
            (f"sign({sql})", INT64, known(_sign)),
            (f"least({sql}, 1)", INT64, lambda row: 1 if row[name] is None else min(row[name], 1)),
            (f"round({sql} / 4)", FLOAT64, known(lambda value: _half_away(float(value) / 4.0))),
            (f"cast({sql} as varchar) || '!'", STRING, known(lambda value: f"{value}!")),
            (f"md5(cast({sql} as varchar))", STRING, known(lambda value: _md5(str(value)))),
            (f"try_cast({sql} as tinyint)", pa.int8(), known(lambda value: value if -128 <= value < 128 else None)),
        ]
    elif column.is_decimal:
        precision, scale = column.type.precision, column.type.scale
        found += [
            (f"{sql} * 2", pa.decimal128(precision + 1, scale), known(lambda value: value * 2)),
            (f"0.5 - {sql}", pa.decimal128(precision + 1, scale), known(lambda value: Decimal("0.5") - value)),
            (f"{sql} / 4", FLOAT64, known(lambda value: float(value) / 4.0)),
            (f"round({sql})", pa.decimal128(precision - scale + 1, 0),
             known(lambda value: value.quantize(Decimal(1), rounding=ROUND_HALF_UP, context=_EXACT))),
            (f"cast({sql} as varchar)", STRING, known(str)),
            (f"cast({sql} as decimal(20, 1))", pa.decimal128(20, 1),
             known(lambda value: value.quantize(Decimal("0.1"), rounding=ROUND_HALF_UP, context=_EXACT))),
        ]  # fmt: skip
    elif column.is_number:
        found += [
            (f"{sql} * 2", FLOAT64, known(lambda value: value * 2.0)),
            (f"case when {sql} > 0 then 'plus' else 'not' end", STRING,
             lambda row: "plus" if value_order(row[name]) > value_order(0.0) else "not"),
            (f"sign({sql})", INT64, known(_sign)),
            (f"round({sql}, 1)", FLOAT64, known(_one_place)),
            (f"floor({sql})", FLOAT64, known(lambda value: float(math.floor(value)) if _is_part(value) else value)),
            (f"sqrt({sql})", FLOAT64, known(lambda value: None if value < 0 else math.sqrt(value))),
            (f"isfinite({sql})", BOOL, known(math.isfinite)),
        ]  # fmt: skip
    elif column.is_text:
        found += [
            (f"length({sql})", INT64, known(len)),
            (f"coalesce({sql}, 'none')", STRING, choice("none")),
            (f"upper({sql})", STRING, known(lambda value: re.sub("[a-z]", lambda found: found[0].upper(), value))),
            (f"concat({sql}, '!')", STRING, lambda row: (row[name] or "") + "!"),
            (f"right({sql}, 1) || {sql}", STRING, known(lambda value: value[-1:] + value)),
            (f"replace({sql}, 'ü', 'ue')", STRING, known(lambda value: value.replace("ü", "ue"))),
            (f"substr({sql}, 2)", STRING, known(lambda value: value[1:])),
            (f"md5({sql})", STRING, known(_md5)),
            (f"split_part({sql}, 'z', 2)", STRING, known(lambda value: [*value.split("z"), ""][1])),
            (f"regexp_extract({sql}, '[a-z]')", STRING,
             known(lambda value: "".join(re.findall("[a-z]", value)[:1]))),
            (f"try_cast({sql} as bigint)", INT64, lambda row: None),
        ]  # fmt: skip
    elif column.type == BOOL:
        found += [
            (f"not {sql}", BOOL, known(lambda value: not value)),
            (f"case when {sql} then 1 else 2 end", INT64, lambda row: 1 if row[name] else 2),
        ]
    elif column.type == pa.date32():
        found += [
            (f"doy({sql})", INT64, known(lambda value: value.timetuple().tm_yday)),
            (f"cast({sql} as varchar)", STRING, known(lambda value: value.isoformat())),
            (f"date_diff('week', date '1970-01-01', {sql})", INT64,
             known(lambda value: ((value - date(1970, 1, 1)).days + 3) // 7)),
        ]  # fmt: skip
    elif column.is_instant:
        found += [
            (f"year({sql})", INT64, known(lambda value: _moment(value).year)),
            (f"date_trunc('day', {sql})", answered(column.type), known(lambda value: value - value % DAY)),
            (f"date_diff('hour', timestamp '1970-01-01', {sql})", INT64, known(lambda value: value // HOUR)),
            (f"epoch({sql})", FLOAT64, known(lambda value: value / 1e6)),
            (f"{sql} + interval '1 microsecond'", answered(column.type), known(lambda value: value + 1)),
        ]
    return found


def after(first: str, second: str, type_: pa.DataType) -> list[Computation]:
    """Expressions over two numbers that a view's aggregations give."""

    def ratio(row: Row) -> float | None:
        above, below = row[first], row[second]
        return None if above is None or not below else float(above) / float(below)

    zero: Any = 0 if pa.types.is_integer(type_) else Decimal(0) if pa.types.is_decimal(type_) else 0.0
    return [
        (f"{quoted(first)} is null", BOOL, lambda row: row[first] is None),
        (f"coalesce({quoted(first)}, 0)", type_, lambda row: zero if row[first] is None else row[first]),
        (f"{quoted(first)} / nullif({quoted(second)}, 0)", FLOAT64, ratio),
    ]


def either(first: bool | None, second: bool | None) -> bool | None:
    """SQL's or."""
    if first is True or second is True:
        return True
    return None if first is None or second is None else False


def negated(value: bool | None) -> bool | None:
    """SQL's not."""
    return None if value is None else not value


def _sign(value: Any) -> int:
    return int(value > 0) - int(value < 0)


def _is_part(value: float) -> bool:
    return abs(value) < 2.0**52


def _half_away(value: float) -> float:
    if not _is_part(value):
        return value
    whole = math.floor(abs(value))
    return math.copysign(whole + (abs(value) - whole >= 0.5), value)


def _one_place(value: float) -> float:
    scaled = float(value) * 10.0
    return _half_away(scaled) / 10.0 if _is_part(scaled) else value


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _moment(micros: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
