"""SQL by hand in DuckDB: the texts beside the shapes, filled in with the view's columns."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from ..shape import Contender, Inputs, Latest, Measure, Run, Shape, Sql, View

if TYPE_CHECKING:
    import pyarrow as pa

TEXTS = Path(__file__).parents[1] / "shapes" / "sql"


def contenders(shape: Shape) -> tuple[Contender, ...]:
    return tuple(
        Contender("textbook SQL" if sql.textbook else "SQL by hand", sql.form, partial(prepared, shape, sql))
        for sql in shape.sql
    )


def prepared(shape: Shape, sql: Sql, inputs: Inputs) -> Run:
    import duckdb

    config = {name: value for name, value in shape.engine.items() if name in ("memory_limit", "threads")}
    connection = duckdb.connect(config=config)
    connection.sql("SET enable_progress_bar = false")
    connection.register("spine", inputs.spine)
    once = [] if sql.once is None else duckdb.extract_statements(filled(sql.once, shape.views[0], inputs))
    texts = [duckdb.extract_statements(filled(sql.view, view, inputs)) for view in shape.views]
    names = [name for _, name in shape.named_columns()]

    def run() -> pa.Table:
        import pyarrow as pa

        for statement in once:
            connection.execute(statement)
        columns = []
        for *before, query in texts:
            for statement in before:
                connection.execute(statement)
            columns += connection.sql(query.query).to_arrow_table().columns
        return pa.table(columns, names=names)

    return run


def filled(name: str, view: View, inputs: Inputs, events: str | None = None) -> str:
    """A text with the view's names and numbers in it; ``events`` is their table, where it isn't the file itself."""
    given: dict[str, object] = {
        "events": events or f"read_parquet('{inputs.path(view.events)}')",
        "keys": ", ".join(view.keys),
        "any_keys": ", ".join(f"any_value({key}) AS {key}" for key in view.keys),
        "same_keys": " AND ".join(f"e.{key} = s.{key}" for key in view.keys),
        "columns": ", ".join(view.columns),
    }
    if isinstance(view, Latest):
        given["features"] = ", ".join(view.features)
        given["packed"] = ", ".join(f"'{feature}': {feature}" for feature in view.features)
        given["unpacked"] = ", ".join(f"p.{feature} AS {feature}" for feature in view.features)
        given["ttl"] = view.ttl
        given["unpacked_in_time"] = ", ".join(
            f"CASE WHEN p.ts >= at - {view.ttl} THEN p.{feature} END AS {feature}" for feature in view.features
        )
        in_time = "" if view.ttl is None else f"CASE WHEN e.ts >= s.event_timestamp - to_microseconds({view.ttl}) THEN "
        given["features_in_time"] = ", ".join(
            f"{in_time}e.{feature}{' END' if in_time else ''} AS {feature}" for feature in view.features
        )
    else:
        given["longest"] = view.longest
        given["last"] = 1 if view.closed == "left" else 0
        operands = dict.fromkeys(each.column for each in view.measures if each.column != "*")
        given["operands"] = "".join(f", {column}" for column in operands)
        given["measures"] = ", ".join(f"{_measure(each)} AS {each.name}" for each in view.measures)
        given["answers"] = ", ".join(
            f"coalesce({each.name}, 0) AS {each.name}" if each.function.startswith("count") else each.name
            for each in view.measures
        )
    return Template((TEXTS / f"{name}.sql").read_text()).substitute(given)


def _measure(measure: Measure) -> str:
    """An aggregate of the joined rows; ``age`` is how long before the row its event was."""
    calls = {
        "percentile": f"quantile_cont({measure.column}, {measure.p})",
        "count_distinct": f"count(DISTINCT {measure.column})",
        "mean": f"avg({measure.column})",
    }
    call = calls.get(measure.function, f"{measure.function}({measure.column})")
    return f"{call} FILTER (WHERE age <= {measure.window})"
