"""The planner's own lowering on any engine: expressions over rows, and views over a source."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hitherto as ht
import pyarrow as pa
import pyarrow.parquet as pq
from hitherto.planner.expr.nodes import Column, Expr
from hitherto.planner.expr.parse import parse_expression
from hitherto.planner.ir.data import ArrowData, ParquetFiles
from hitherto.planner.ir.logical import Project, Scan, Table
from hitherto.planner.options import PlannerOptions
from hitherto.planner.types import Schema
from hitherto.runtime.arrow import planner_schema
from hitherto.runtime.engine import SqlComputeEngine

NAN, INF = math.nan, math.inf
ONE_ROW = pa.table({"one": [1]})


def typed(text: str, rows: pa.Table | None = None) -> Expr:
    """The expression that a text means over the rows' columns."""
    return parse_expression(text, Schema([]) if rows is None else planner_schema(rows.schema), "case")


def evaluated(
    engine: SqlComputeEngine, exprs: Sequence[Expr], rows: pa.Table = ONE_ROW, path: Path | None = None
) -> list[pa.ChunkedArray[Any]]:
    """The expressions over every row in order, each an Arrow column. The rows are in memory, or in a file if given."""
    numbered = rows.append_column("position", pa.array(range(rows.num_rows), pa.int64()))
    schema = planner_schema(numbered.schema)
    if path is not None:
        pq.write_table(numbered, path)
    data = ArrowData(numbered) if path is None else ParquetFiles((str(path),))
    columns = tuple((f"c{number}", expr) for number, expr in enumerate(exprs))
    position = ("position", Column("position", schema["position"]))
    relation = Project(Scan(Table("rows", schema, data, name="rows"), schema.names), (*columns, position))
    with engine.session(PlannerOptions()) as session:
        value = session.view(relation, "value")
        answer: pa.Table = value.to_reader(order_by="position").read_all()
    return answer.columns


def values(engine: SqlComputeEngine, texts: Sequence[str], rows: pa.Table = ONE_ROW) -> dict[str, list[Any]]:
    """The values of the texts over every row in order."""
    columns = evaluated(engine, [typed(text, rows) for text in texts], rows)
    return {text: comparable(column.to_pylist()) for text, column in zip(texts, columns, strict=True)}


def comparable(found: Any) -> Any:
    """NaN as a text, since it equals NaN here; zeros without a sign; instants in UTC; all but texts with their type."""
    if isinstance(found, list | tuple):
        return [comparable(item) for item in found]
    if isinstance(found, float):
        return "NaN" if math.isnan(found) else f"float {found + 0.0!r}"
    if isinstance(found, datetime) and found.tzinfo is not None:
        found = found.astimezone(UTC)
    return found if found is None or isinstance(found, str) else f"{type(found).__name__} {found!r}"


def retrieved(engine: ht.ComputeEngine, views: Sequence[ht.FeatureView], spine: pa.Table, **options: Any) -> pa.Table:
    """The features of all views for the spine, without its own columns."""
    answer = ht.FeatureStore(list(views), engine=engine).get_historical_features(spine, list(views), **options)
    return answer.to_arrow().drop_columns(spine.column_names)


def rows_of(table: pa.Table) -> list[Mapping[str, Any]]:
    """Rows whose values can be compared."""
    return [{name: comparable(value) for name, value in row.items()} for row in table.to_pylist()]
