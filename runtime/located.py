"""An engine's error with the place that it came from: the view, the node and the statement."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from ..planner.errors import EngineError
from ..planner.expr.aggregates import AGGREGATES
from ..planner.expr.nodes import Cast
from ..planner.ir.logical import Aggregate, NumberRows, Project, Relation, topological
from ..planner.ir.operators import Carried, node_name

# How DuckDB, Spark's casts and Spark's decimals tell of an overflow.
MAY_OVERFLOW = {name for name, entry in AGGREGATES.items() if entry.may_overflow}
_OVERFLOWS = ("out of range", "overflow", "cannot be represented", "failed to cast decimal value")
OVERFLOW = "the sum does not fit its type, or an unsigned value is beyond 64 signed bits; among the aggregates "
_LONGEST_MESSAGE = 600


@contextmanager
def located(name: str, relation: Relation | None, sql: str, views: str = "") -> Generator[None]:
    """An engine's error, with the view and the node that it came from and the statement."""
    try:
        yield
    except EngineError as error:
        relations = topological(relation) if relation is not None else []
        by_form = (each for each in reversed(relations) if isinstance(each, Carried) and each.label)
        labels = (each for each in reversed(relations) if getattr(each, "label", ""))
        labelled: Relation | None = next(by_form, None) or next(labels, None)
        is_spine = isinstance(labelled, NumberRows)
        label: str = views or ("" if is_spine else getattr(labelled, "label", ""))
        where = f"feature view {label.replace('+', ', ')!r}" if label else f"statement {name!r}"
        where = "entity rows" if is_spine and not views else where
        node = node_name(labelled or relation) if relation is not None else "Scan"
        node = "Sorted" if views else node
        raise EngineError(
            f"{where}, {node}: {error}{_overflow_hint(relations, str(error))}",
            view=label or None,
            node=node,
            condition=error.condition,
            sql=sql or error.sql,
            transient=error.transient,
        ) from None


def shortened(error: EngineError) -> str:
    """What an engine says, without the lines of the statement that it shows."""
    text = str(error).split("\n\nLINE ", 1)[0].split("; line ", 1)[0].strip()
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}…"


def _overflow_hint(relations: list[Relation], message: str) -> str:
    """Which aggregates can have overflowed, where the engine says only that something did."""
    if not any(mark in message.lower() for mark in _OVERFLOWS):
        return ""
    names = [
        measure.name
        for each in relations
        if isinstance(each, Aggregate)
        for measure in each.measures
        if measure.operand is not None
        and (
            (measure.function in MAY_OVERFLOW and measure.type.kind in ("int64", "decimal"))
            or measure.operand.type.kind == "uint64"
        )
    ]
    # A sum of parts of the rows is exact, and is cast when it is whole.
    names += [
        name
        for each in relations
        if isinstance(each, Project) and any(isinstance(below, Aggregate) for below in topological(each))
        for name, expr in each.columns
        if isinstance(expr, Cast) and expr.type.kind == "int64" and expr.operand.type.kind == "decimal"
    ]
    return f"\n  {OVERFLOW}{', '.join(names)}" if names else ""
