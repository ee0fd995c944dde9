"""Physical plans in plain Python: what each operator means, row at a time, so that forms are tried without an engine.

Rows are dictionaries; an instant is an integer in its type's unit, a struct a dictionary.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import hitherto as ht
import pyarrow as pa
from hitherto.planner.dag.node import OnlineWriter
from hitherto.planner.expr.aggregates import AGGREGATES
from hitherto.planner.expr.nodes import Call, Cast, Column, Expr, Literal
from hitherto.planner.features.tasks import HistoricalRetrievalTask, MaterializationTask
from hitherto.planner.ir import index as ix
from hitherto.planner.ir import logical as ir
from hitherto.planner.ir import operators as op
from hitherto.planner.ir.data import ArrowData
from hitherto.planner.phases import PHYSICAL
from hitherto.planner.planning import lower_plan
from hitherto.planner.rules import LOGICAL_PHASES, RuleContext, rewrite
from hitherto.planner.target import Target
from hitherto.planner.types import DataType
from hitherto.runtime.arrow import arrow_type

from tests.engines import SLOW
from tests.reference import Approximate, Reference, comparable, value_order

Row = dict[str, Any]
_NANOS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_REFERENCE = Reference({})
_AGE = SimpleNamespace(timestamp_field="place", created_timestamp_column=None, sequence_columns=())


class Interpreted(ht.ComputeEngine):
    """An engine without SQL: retrievals whose point-in-time joins are carried out by the named forms."""

    def __init__(self, *forms: str, disabled: tuple[str, ...] = ()) -> None:
        self._target = Target(forms=frozenset(forms), lacks=frozenset())
        self._disabled = frozenset(disabled)

    @property
    def target(self) -> Target:
        return self._target

    def get_historical_features(self, task: HistoricalRetrievalTask) -> pa.Table:
        plan = self.plan(task)
        root = lower_plan(plan)[plan.outputs[0].fingerprint]
        context = RuleContext(task.statistics, self._disabled, verify_each=True, forms=self._target.forms, rates=SLOW)
        physical = rewrite(rewrite(root, LOGICAL_PHASES, context), PHYSICAL, context)
        rows = sorted(Interpreter().rows(physical), key=lambda row: row[task.names.row])
        fields = [field for field in physical.schema if field.name != task.names.row]
        return pa.table({field.name: _array([row[field.name] for row in rows], field.type) for field in fields})

    def materialize(self, task: MaterializationTask, online_store: OnlineWriter) -> ht.MaterializationJob:
        raise ht.UnsupportedError("the interpreter writes nothing")


def _array(values: Sequence[Any], type_: DataType) -> pa.Array[Any]:
    arrow = arrow_type(type_)
    if pa.types.is_timestamp(arrow):
        return pa.array(values, pa.int64()).cast(arrow)
    if pa.types.is_list(arrow) and pa.types.is_timestamp(arrow.value_type):
        return pa.array(values, pa.list_(pa.int64())).cast(arrow)
    return pa.array(values, arrow)


class Interpreter:
    """One run: a relation that is read twice is evaluated once."""

    def __init__(self) -> None:
        self._done: dict[str, list[Row]] = {}

    def rows(self, relation: ir.Relation) -> list[Row]:
        """The relation's rows."""
        if relation.fingerprint not in self._done:
            rows = self._rows(relation)
            names = relation.schema.names
            assert all(tuple(row) == names for row in rows), f"{type(relation).__name__}: columns out of order"
            self._done[relation.fingerprint] = rows
        return self._done[relation.fingerprint]

    def _rows(self, relation: ir.Relation) -> list[Row]:
        match relation:
            case ir.Scan(table=table, columns=columns, predicate=predicate):
                found = [row for row in _scanned(table) if predicate is None or value(predicate, row) is True]
                return [{name: row[name] for name in columns} for row in found]
            case ir.NumberRows(input=below, column=column):
                return [{column: number, **row} for number, row in enumerate(self.rows(below))]
            case ir.Project(input=below, columns=columns):
                return [{name: value(expr, row) for name, expr in columns} for row in self.rows(below)]
            case ir.Filter(input=below, predicate=predicate):
                return [row for row in self.rows(below) if value(predicate, row) is True]
            case ir.Union(relations=relations):
                return [row for each in relations for row in self.rows(each)]
            case ir.Aggregate(input=below, keys=keys, measures=measures):
                groups: dict[Any, list[Row]] = {}
                for row in self.rows(below):
                    groups.setdefault(tuple(value_order(row[key]) for key in keys), []).append(row)
                return [
                    {key: rows[0][key] for key in keys} | {each.name: measured(each, rows) for each in measures}
                    for rows in groups.values()
                ]
            case ir.Join(relations=(first, *others), on=on):
                rows = self.rows(first)
                for other in others:
                    rows = self._joined(rows, other, tuple((key, key) for key in on), None, is_left=False)
                return rows
            case op.KeyedJoin(left=left, right=right, keys=keys, condition=condition, how=how):
                return self._joined(self.rows(left), right, keys, condition, is_left=how == "left")
            case op.AsofMatch():
                return self._matched(relation)
            case op.Window():
                return self._windowed(relation)
            case ix.Sorted(input=below, time=time):
                return [row for row in self.rows(below) if row[time] is not None]
            case ix.ProbeLatest():
                return self._probed(relation)
            case ix.ProbeWindows():
                return self._probed_windows(relation)
            case op.Explode(input=below, column=column, values=values):
                return [row | {column: value(each, row)} for row in self.rows(below) for each in values]
            case op.Named(input=below) | op.Carried(input=below) | op.Materialize(input=below):
                return self.rows(below)
            case _:
                raise TypeError(f"{type(relation).__name__} is not physical")

    def _joined(
        self, rows: list[Row], right: ir.Relation, keys: op.Keys, condition: Expr | None, *, is_left: bool
    ) -> list[Row]:
        dropped = {name for _, name in keys}
        kept = [name for name in right.schema.names if name not in dropped]
        found: list[Row] = []
        for row in rows:
            pairs = [
                row | {name: other[name] for name in kept} for other in self.rows(right) if _equal(row, other, keys)
            ]
            pairs = [pair for pair in pairs if condition is None or value(condition, pair) is True]
            found += pairs or ([row | dict.fromkeys(kept)] if is_left else [])
        return found

    def _matched(self, node: op.AsofMatch) -> list[Row]:
        dropped = {name for _, name in node.keys}
        kept = [name for name in node.right.schema.names if name not in dropped]
        found: list[Row] = []
        for row in self.rows(node.left):
            at = value(node.at, row)
            visible = [
                other
                for other in self.rows(node.right)
                if _equal(row, other, node.keys) and None not in (at, other[node.ts]) and other[node.ts] <= at
            ]
            best = max(visible, key=lambda other: other[node.ts], default=None)
            found.append(row | {name: None if best is None else best[name] for name in kept})
        return found

    def _probed(self, node: ix.ProbeLatest) -> list[Row]:
        events = node.events[0]
        assert isinstance(events, ix.Sorted)
        found: list[Row] = []
        for row in sorted(self.rows(node.spine), key=lambda each: each[node.row]):
            answer: Row = {node.row: row[node.row]}
            for pick in node.picks:
                order = tuple(Column(name, events.schema[name]) for name in (events.time, *pick.order))
                visible = self._within(node, row, pick.interval)
                # Of events that tie in all of the order any may win: here the last of them.
                visible.sort(key=lambda event, order=order: _place(order, event))
                answer |= {name: visible[-1][column] if visible else None for name, column in pick.features}
            found.append(answer)
        return found

    def _probed_windows(self, node: ix.ProbeWindows) -> list[Row]:
        found: list[Row] = []
        for row in sorted(self.rows(node.spine), key=lambda each: each[node.row]):
            answer: Row = {node.row: row[node.row]}
            for each in node.measures:
                schema = node.events[0].schema
                operand = None if each.operand is None else Column(each.operand, schema[each.operand])
                order = tuple(Column(name, schema[name]) for name in each.order)
                measure = ir.Measure(
                    each.name, each.function, operand, each.type, where=each.where, order=order,
                    parameter=each.parameter,
                )  # fmt: skip
                empty = AGGREGATES[each.function].empty
                result = measured(measure, self._within(node, row, each.interval))
                answer[each.name] = (list(empty) if isinstance(empty, tuple) else empty) if result is None else result
            found.append(answer)
        return found

    def _within(self, node: ix.ProbeLatest | ix.ProbeWindows, row: Row, interval: ir.Interval) -> list[Row]:
        """The events of a spine row's key in an interval."""
        assert isinstance(node.spine, ix.Sorted)
        lower = -math.inf if interval.lower is None else value(interval.lower, row)
        upper, key = value(interval.upper, row), row[node.spine.key]
        if key is None:
            return []
        events = node.events[key % len(node.events)]
        assert isinstance(events, ix.Sorted)
        among = self.rows(events)
        return [each for each in among if each[events.key] == key and lower <= each[events.time] < upper]

    def _windowed(self, node: op.Window) -> list[Row]:
        rows = self.rows(node.input)
        found: list[Row] = []
        for row in rows:
            peers = [each for each in rows if all(value_order(each[k]) == value_order(row[k]) for k in node.partition)]
            made = dict(row)
            for measure in node.measures:
                places = {id(each): _place(measure.order, each) for each in peers}
                upto = [each for each in peers if places[id(each)] <= places[id(row)]]
                if node.frame == "rows":
                    # Of equal places any may come first: a form must not depend on it, so the row itself is the last.
                    upto = [each for each in upto if each is not row] + [row]
                upto.sort(key=lambda each: places[id(each)])
                made[measure.name] = measured(measure, upto)
            found.append(made)
        return found


def _scanned(table: ir.Table) -> list[Row]:
    assert isinstance(table.data, ArrowData)
    data: Any = table.data.value
    columns = []
    for name in table.schema.names:
        column = data[name]
        columns.append((column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist())
    return [dict(zip(table.schema.names, row, strict=True)) for row in zip(*columns, strict=True)]


def _equal(left: Row, right: Row, keys: op.Keys) -> bool:
    return all(left[one] is not None and left[one] == right[other] for one, other in keys)


def _order(found: Any) -> tuple[Any, ...]:
    if isinstance(found, dict):
        return (1, tuple(map(_order, found.values())))
    return value_order(found)


def _place(order: Sequence[Expr], row: Row) -> tuple[Any, ...]:
    return tuple(_order(value(expr, row)) for expr in order)


def measured(measure: ir.Measure, rows: Sequence[Row]) -> Any:
    """A measure of some rows: of the forms' own, or by the reference of the aggregates."""
    if measure.where is not None:
        rows = [row for row in rows if value(measure.where, row) is True]
    if measure.operand is None:
        return len(rows)
    pairs = [(_place(measure.order, row), value(measure.operand, row)) for row in rows]
    present = [pair for pair in pairs if pair[1] is not None]
    match measure.function:
        case "any":
            return pairs[0][1]
        case "max_by":
            return max(pairs, key=lambda pair: pair[0])[1]
        case "newest" | "max" if measure.type.kind == "struct":
            return max((pair[1] for pair in present), key=_order, default=None)
        case "last_present":
            return present[-1][1] if present else None
    ordered = sorted(present, key=lambda pair: (pair[0], _order(pair[1])))
    events = [{"place": number, "value": each} for number, (_, each) in enumerate(ordered)]
    params = dict.fromkeys(("p", "n", "k"), measure.parameter) if measure.parameter is not None else {}
    item: Any = SimpleNamespace(column="value", function=measure.function, params=params)
    found = _REFERENCE.aggregate(item, _AGE, events)  # type: ignore[arg-type]
    return found.value if isinstance(found, Approximate) else found


def value(expr: Expr, row: Row) -> Any:
    """The value of an expression of a physical plan; of what people write, only a little is here."""
    match expr:
        case Column(name=name):
            return row[name]
        case Literal(value=found):
            return list(found) if isinstance(found, tuple) else found
        case Cast(operand=operand, type=type_):
            return _cast(value(operand, row), operand.type, type_)
        case Call("case", args):
            for condition, result in zip(args[:-1:2], args[1:-1:2], strict=True):
                if value(condition, row) is True:
                    return value(result, row)
            return value(args[-1], row)
        case Call("struct_of", args, type_):
            return {field.name: value(arg, row) for field, arg in zip(type_.fields, args, strict=True)}
        case Call(function, args):
            return _FUNCTIONS[function](expr, [value(arg, row) for arg in args])
    raise TypeError(f"{type(expr).__name__} is no expression")


def _cast(found: Any, source: DataType, target: DataType) -> Any:
    if found is None or target.kind != "timestamp":
        return float(found) if found is not None and target.is_float else found
    return found * _NANOS[source.unit or "us"] // _NANOS[target.unit or "us"]


def _micros(rounding: int) -> Callable[[Call, list[Any]], Any]:
    def of(call: Call, args: list[Any]) -> Any:
        if args[0] is None or call.args[0].type.kind == "date":
            return args[0] if args[0] is None else comparable(args[0])
        return (args[0] * _NANOS[call.args[0].type.unit or "us"] + rounding) // 1_000

    return of


def _known(function: Callable[..., Any]) -> Callable[[Call, list[Any]], Any]:
    return lambda call, args: None if None in args else function(*args)


def _all(call: Call, args: list[Any]) -> bool | None:
    return False if False in args else None if None in args else True


def _any(call: Call, args: list[Any]) -> bool | None:
    return True if True in args else None if None in args else False


def _truncated(a: int, b: int) -> int:
    return abs(a) // b * (1 if a >= 0 else -1)


_FUNCTIONS: dict[str, Callable[[Call, list[Any]], Any]] = {
    "add": _known(lambda a, b: a + b),
    "subtract": _known(lambda a, b: a - b),
    "multiply": _known(lambda a, b: a * b),
    "plain_sqrt": _known(math.sqrt),
    "divide": _known(lambda a, b: None if b == 0 else a / b),
    "eq": _known(lambda a, b: _order(a) == _order(b)),
    "ne": _known(lambda a, b: _order(a) != _order(b)),
    "lt": _known(lambda a, b: _order(a) < _order(b)),
    "le": _known(lambda a, b: _order(a) <= _order(b)),
    "gt": _known(lambda a, b: _order(a) > _order(b)),
    "ge": _known(lambda a, b: _order(a) >= _order(b)),
    "and": _all,
    "or": _any,
    "not": _known(lambda a: not a),
    "is_null": lambda call, args: args[0] is None,
    "coalesce": lambda call, args: next(itertools.dropwhile(lambda each: each is None, args), None),
    "nullif": lambda call, args: None if args[0] == args[1] else args[0],
    "greatest": lambda call, args: max((each for each in args if each is not None), default=None),
    "floor_to": _known(lambda a, b: a // b * b),
    "micros_up": _micros(999),
    "micros_down": _micros(0),
    "field_of": lambda call, args: None if args[0] is None else args[0][args[1]],
    "sort_key": lambda call, args: args[0],
    "bucket_of": _known(_truncated),
}
