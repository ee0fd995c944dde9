"""Plans as text for people: deterministic, one line per relation, indented like the tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ..durations import format_instant, format_span
from ..expr.aggregates import AGGREGATES
from ..expr.functions import FUNCTIONS
from ..expr.nodes import Call, Cast, Column, Expr, Literal, conjuncts
from .data import ParquetFiles
from .index import ProbeLatest, ProbeWindows, Sorted
from .logical import (
    Aggregate,
    AsofJoin,
    Filter,
    Interval,
    Join,
    NumberRows,
    Project,
    Relation,
    Scan,
    Union,
    Values,
    WindowAggregate,
    WindowMeasure,
    topological,
)
from .operators import AsofMatch, Carried, Explode, KeyedJoin, Keys, Materialize, Named, Window

T = TypeVar("T")


def format_expr(expr: Expr) -> str:
    """An expression in SQL's notation; a bound of the planner's, in microseconds, is shown as an instant."""
    match expr:
        case Column():
            return expr.name
        case Literal(None):
            return "null"
        case Literal(str() as value):
            return "'" + value.replace("'", "''") + "'"
        case Literal(int() as value) if expr.type.kind == "timestamp":
            return f"timestamp '{format_instant(value)}'"
        case Literal(value):
            return str(value).lower() if isinstance(value, bool) else str(value)
        case Cast():
            return f"{'try_' if expr.is_try else ''}cast({format_expr(expr.operand)} as {expr.type})"
        case Call("lt" | "ge" | "le" as function, (left, Literal(int() as bound))) if abs(bound) > 10**14:
            instant = left.args[0] if isinstance(left, Call) and left.function == "micros_up" else left
            return f"{format_expr(instant)} {FUNCTIONS[function].infix} '{format_instant(bound)}'"
        case Call() if infix := FUNCTIONS[expr.function].infix:
            return f" {infix} ".join(_operand(arg) for arg in expr.args)
        case Call("struct_of", args):
            named = zip(expr.type.fields, args, strict=True)
            return "{" + ", ".join(f"{field.name}: {format_expr(arg)}" for field, arg in named) + "}"
        case Call("field_of", (struct, Literal(str() as name))):
            return f"{format_expr(struct)}.{name}"
        case Call("not", (Call("is_null", (arg,)),)):
            return f"{_operand(arg)} is not null"
        case Call("is_null"):
            return f"{_operand(expr.args[0])} is null"
        case Call():
            return f"{expr.function}({', '.join(map(format_expr, expr.args))})"
        case _:
            raise TypeError(f"{type(expr).__name__} is no expression")


def _operand(expr: Expr) -> str:
    text = format_expr(expr)
    return f"({text})" if isinstance(expr, Call) and FUNCTIONS[expr.function].infix else text


def format_interval(interval: Interval) -> str:
    """The interval around t, as the definition that it comes from says it."""
    lower, upper = interval.earliest, interval.latest
    start = "(-inf" if lower is None else f"[{_moved(lower)}"
    return interval.bound or f"{start}, {_moved(upper)})"


def _moved(micros: int) -> str:
    return "t" if micros == 0 else f"t{'+' if micros > 0 else '-'}{format_span(abs(micros))}"


def describe(relation: Relation) -> str:
    """One line: the node, what it is over and what decides it."""
    name = type(relation).__name__
    match relation:
        case Scan():
            data = relation.table.data
            files = f", {len(data.paths)} files" if isinstance(data, ParquetFiles) and len(data.paths) > 1 else ""
            where = "" if relation.predicate is None else f" where {_conditions(relation.predicate)}"
            return f"Scan {relation.table.name}  {_count(relation.columns, 'column')}{files}{where}"
        case Values():
            return f"Values  {_count(relation.rows, 'row')}"
        case NumberRows():
            return f"NumberRows {relation.column}"
        case Project():
            computed = [name for name, expr in relation.columns if not isinstance(expr, Column)]
            made = f", computes {_names(computed)}" if computed else ""
            return f"Project  {_count(relation.columns, 'column')}{made}"
        case Filter():
            return f"Filter {_conditions(relation.predicate)}"
        case Aggregate():
            return f"Aggregate  by {', '.join(relation.keys) or 'nothing'}"
        case Join():
            how = "" if relation.how == "inner" else f" {relation.how}"
            return f"Join{how} by {', '.join(relation.on)}  {len(relation.relations)} inputs"
        case Union():
            return f"Union  {len(relation.relations)} inputs"
        case AsofJoin() | WindowAggregate():
            return match_line(name, relation)
        case Carried():
            return relation.line
        case Named():
            return f"Named {_label(relation.label)} {relation.role}"
        case KeyedJoin():
            how = "" if relation.how == "inner" else f" {relation.how}"
            where = "" if relation.condition is None else f" where {_conditions(relation.condition)}"
            return f"KeyedJoin{how} on {_keys(relation.keys)}{where}"
        case AsofMatch():
            return f"AsofMatch on {_keys(relation.keys)}, {relation.ts} <= {format_expr(relation.at)}"
        case Window():
            by = ", ".join(relation.partition) or "nothing"
            return f"Window by {by}, {relation.frame}, computes {_names([each.name for each in relation.measures])}"
        case Explode():
            return f"Explode {relation.column}  {_count(relation.values, 'value')}"
        case Sorted():
            return f"Sorted {_label(relation.label)} by {relation.key}, {relation.time}"
        case ProbeLatest() | ProbeWindows():
            return f"{name} {_label(relation.label)}  {_count(relation.schema.names[1:], 'column')}"
        case Materialize():
            return f"Materialize {_label(relation.name)}"
        case _:
            return name


def match_line(name: str, relation: AsofJoin | WindowAggregate) -> str:
    """The line of a point-in-time join or aggregate, or of a form that carries one out."""
    title = f"{name} {_label(relation.label)}  {_match(relation)}"
    if isinstance(relation, AsofJoin):
        bounds = "; ".join(dict.fromkeys(format_interval(pick.interval) for pick in relation.picks))
        features = [feature for pick in relation.picks for feature in pick.features]
        return f"{title}, {bounds}, {_count(features, 'feature')}"
    windows = list(dict.fromkeys(format_interval(each.interval) for each in relation.aggregates))
    given = [_with_parameter(each) for each in relation.aggregates if each.parameter is not None]
    count = ", ".join([_count(relation.aggregates, "aggregate"), *dict.fromkeys(given)])
    return f"{title}, {', '.join(windows)}, {count}"


def tree(root: Relation, *, verbose: bool = False) -> list[str]:
    """The plan as an indented tree; each relation has a number, and a shared one is written out once.

    What a form expanded to is one line, and its steps are below it where it is ``verbose``.
    """

    def inputs(relation: Relation) -> tuple[Relation, ...]:
        return relation.inputs if verbose or not isinstance(relation, Carried) else _leaves(relation)

    numbers = _numbered(root, inputs)
    shown: set[str] = set()

    def line(relation: Relation) -> tuple[str, Sequence[Relation]]:
        number = numbers[relation.fingerprint]
        below = inputs(relation)
        if relation.fingerprint in shown and below:
            return f"#{number} {describe(relation)}  (as above)", ()
        shown.add(relation.fingerprint)
        return f"#{number} {describe(relation)}", below

    return draw(root, line)


def _leaves(carried: Carried) -> tuple[Relation, ...]:
    """The relations that a form was given."""
    found = {each.fingerprint: each for each in topological(carried)}
    return tuple(found[leaf] for leaf in carried.leaves if leaf in found)


def _numbered(root: Relation, inputs: Callable[[Relation], Sequence[Relation]]) -> dict[str, int]:
    """Numbers of the relations that are shown, inputs before their readers."""
    numbers: dict[str, int] = {}

    def visit(relation: Relation) -> None:
        if relation.fingerprint not in numbers:
            for child in inputs(relation):
                visit(child)
            numbers[relation.fingerprint] = len(numbers) + 1

    visit(root)
    return numbers


def draw(root: T, line: Callable[[T], tuple[str, Sequence[T]]]) -> list[str]:
    """Lines of a tree; ``line`` gives a node's text and children."""
    text, children = line(root)
    lines = [text]
    for index, child in enumerate(children):
        is_last = index == len(children) - 1
        first, *rest = draw(child, line)
        lines.append(("└─ " if is_last else "├─ ") + first)
        lines.extend(("   " if is_last else "│  ") + other for other in rest)
    return lines


def _with_parameter(aggregate: WindowMeasure) -> str:
    parameter = AGGREGATES[aggregate.function].parameter
    return f"{aggregate.function}({parameter.name if parameter else ''}={aggregate.parameter!r})"


def _conditions(predicate: Expr) -> str:
    return " and ".join(
        f"({format_expr(part)})" if isinstance(part, Call) and part.function == "or" else format_expr(part)
        for part in conjuncts(predicate)
    )


def _match(relation: AsofJoin | WindowAggregate) -> str:
    """What events are matched by besides the interval: keys, and the created time."""
    known = "" if relation.created is None else f", {relation.created} <= {relation.time}"
    return f"on {_keys(relation.keys)}{known}"


def _keys(keys: Keys) -> str:
    return ", ".join(left if left == right else f"{left} = {right}" for left, right in keys) or "no key"


def _label(label: str) -> str:
    return label.replace("+", ", ")


def _count(items: Sequence[object], what: str) -> str:
    return f"{len(items)} {what}{'' if len(items) == 1 else 's'}"


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:5])} and {len(names) - 5} more"
