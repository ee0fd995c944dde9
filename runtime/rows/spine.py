"""Entity rows in memory: taken in once, checked, and reduced to what the engine needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from ...planner.errors import DefinitionError, SourceError, SpineError
from ...planner.features.resolver import OutputFeature, ResolvedView
from ...planner.features.tasks import HistoricalRetrievalTask, check_spine
from ...planner.ir.data import ArrowData, Bounds, TableData
from ...planner.ir.logical import Table
from ...planner.types import BEYOND_TIME, Schema
from ..arrow import floor_to_micros, frame_table, is_pandas, is_tabular, planner_schema, readable, span_of, to_table
from ..sources.files import FileSource
from .entity import EntityRows, check_names, is_query, time_column

if TYPE_CHECKING:
    import pandas as pd

_OF_EVENTS = ("created_timestamp_column", "sequence_columns", "field_mapping", "data_delay", "unique")


@dataclass(frozen=True)
class Spine(EntityRows):
    """Entity rows as an Arrow table, and which of its columns is the query time.

    ``own`` are the columns that come back, ``frame`` the pandas frame that they were given as, which keeps its index.
    """

    rows: pa.Table
    schema: Schema
    timestamp: str
    own: pa.Table
    frame: pd.DataFrame | None = None

    @classmethod
    def take(
        cls,
        entity_df: Any,
        entity_timestamp: str | None,
        keys: Collection[str] = (),
        run: Callable[[str], pa.Table] | None = None,
    ) -> Spine:
        """Take in pandas, Polars, Arrow data, a DuckDB relation, files or a query, which ``run`` runs.

        ``keys`` are the columns that views need. Raises a SpineError where there is no time.
        """
        if isinstance(entity_df, FileSource):
            entity_timestamp = entity_timestamp or entity_df.timestamp_field
        frame = _snapshot(entity_df)
        given = entity_df if frame is None else frame
        rows = run(given) if run and isinstance(given, str) and is_query(given) else _rows(given)
        try:
            schema = planner_schema(rows.schema)
        except ValueError as error:
            raise SpineError(f"entity rows: {error}") from None
        check_names(schema)
        with _index_told(frame, schema, (*keys, entity_timestamp)):
            timestamp = time_column(schema, entity_timestamp, keys, is_empty=not rows.num_rows)
        typed = _typed(rows, schema, timestamp, keys)
        return cls(typed, planner_schema(typed.schema), timestamp, rows, frame)

    @property
    def arrow_schema(self) -> pa.Schema:
        return self.own.schema

    @property
    def count(self) -> int:
        return self.rows.num_rows

    @contextmanager
    def answering(self, task: HistoricalRetrievalTask) -> Generator[HistoricalRetrievalTask]:
        """The task as it is: the rows were taken in when the job was made."""
        yield task

    def described(self, task: HistoricalRetrievalTask) -> HistoricalRetrievalTask:
        return task

    def own_columns(self, task: HistoricalRetrievalTask) -> pa.Table:
        return self.own

    def own_data(self, task: HistoricalRetrievalTask) -> TableData:
        return ArrowData(self.own)

    def checked(self, views: tuple[ResolvedView, ...], outputs: tuple[OutputFeature, ...]) -> Spine:
        """The spine with usable keys. Raises a SpineError with every problem: columns first, then null times."""
        whole = self._with_whole_keys({key.spine_column for view in views for key in view.keys})
        keys = {key.spine_column for view in views for key in view.keys}
        with _index_told(self.frame, self.schema, (*keys, self.timestamp)):
            check_spine(whole.schema, self.timestamp, views, outputs)
        for name in sorted(keys):
            greatest = pc.max(whole.rows[name]).as_py() if whole.schema[name].kind == "uint64" else None
            if greatest is not None and greatest >= 2**63:
                raise SpineError(f"entity rows: key {name!r} holds {greatest}, which is beyond 64 signed bits")
        times = self.rows[self.timestamp]
        if times.null_count:
            first = pc.index(pc.is_null(times), True).as_py()
            raise SpineError(
                f"entity rows: timestamp {self.timestamp!r} is null in {times.null_count} of {len(times)} rows, "
                f"first in row {first}; drop or fill them"
            )
        ends = self._bounds()
        if ends is not None and max(abs(ends.first), abs(ends.last)) >= BEYOND_TIME:
            raise SpineError(
                f"entity rows: timestamp {self.timestamp!r} holds an infinity or a time beyond all calendars"
            )
        return whole

    def _with_whole_keys(self, keys: set[str]) -> Spine:
        """Float keys that hold only whole numbers and NaN, which is how pandas keeps integers with nulls, as int64."""
        rows = self.rows
        for name in keys:
            if name not in self.schema or self.schema[name].kind != "float64":
                continue
            values = pc.if_else(pc.is_nan(rows[name]), pa.scalar(None, pa.float64()), rows[name])
            try:
                whole = cast("pa.ChunkedArray[Any]", pc.cast(values, pa.int64(), safe=True))
            except pa.ArrowInvalid:
                continue
            rows = rows.set_column(rows.column_names.index(name), name, whole)
        return replace(self, rows=rows, schema=planner_schema(rows.schema)) if rows is not self.rows else self

    def whole(self) -> Table:
        return Table(f"spine {id(self.rows)}", planner_schema(self.rows.schema), ArrowData(self.rows), name="spine")

    def needed(self, views: tuple[ResolvedView, ...]) -> Table:
        """Keys and timestamp alone. Nanoseconds are rounded down here: an engine takes the last one for infinity."""
        keys = (key.spine_column for view in views for key in view.keys)
        data = self.rows.select(list(dict.fromkeys((self.timestamp, *keys))))
        if self.schema[self.timestamp].unit == "ns":
            column = floor_to_micros(data[self.timestamp])
            data = data.set_column(data.column_names.index(self.timestamp), self.timestamp, column)
        rows = ArrowData(data, numbered=True, is_table=True)
        return Table(f"spine {id(data)}", planner_schema(data.schema), rows, name="spine", bounds=self._bounds())

    def _bounds(self) -> Bounds | None:
        """The least and greatest query time; None of no rows."""
        ends = span_of(self.rows[self.timestamp])
        return None if ends is None else Bounds(self.timestamp, *ends)


def _snapshot(entity_df: Any) -> pd.DataFrame | None:
    """A pandas frame as it is now; None for everything else."""
    frame: pd.DataFrame | None = entity_df.copy() if is_pandas(entity_df) else None
    return frame


def _typed(rows: pa.Table, schema: Schema, timestamp: str, keys: Collection[str]) -> pa.Table:
    """Keys and time as engines take them. Without rows, types say nothing, so they are the ones that are needed."""
    for index, field in enumerate(rows.schema):
        type_ = schema[field.name]
        if field.name not in (timestamp, *keys) or type_.is_nested:
            continue
        if not rows.num_rows and (type_.kind == "null" or type_.is_float):
            needed = pa.timestamp("us") if field.name == timestamp else pa.null()
            column: pa.ChunkedArray[Any] = pa.chunked_array([], needed)
        else:
            try:
                column = readable(rows.column(index))
            except pa.ArrowException as error:
                raise SpineError(f"entity rows: column {field.name!r} cannot be read as {type_}: {error}") from None
        if column.type != field.type:
            rows = rows.set_column(index, field.name, column)
    return rows


@contextmanager
def _index_told(frame: pd.DataFrame | None, schema: Schema, needed: Iterable[str | None]) -> Generator[None]:
    """A missing column that a pandas frame has as an index, with the way out."""
    try:
        yield
    except SpineError as error:
        missing = {None, "event_timestamp", *needed} - set(schema.names)
        names = [] if frame is None else [str(name) for name in frame.index.names if name in missing - {None}]
        if not names:
            raise
        advice = f"{', '.join(names)}: a pandas index is no column; reset_index() makes it one"
        raise SpineError(f"{error}\n  {advice}") from None


def _rows(entity_df: Any) -> pa.Table:
    if isinstance(entity_df, str | Path | FileSource) or _are_paths(entity_df):
        return _read_files(entity_df)
    if not is_tabular(entity_df):
        given = type(entity_df).__name__
        raise SpineError(
            f"entity rows: {given} is not tabular; give pandas, Polars or Arrow data, a path, a FileSource or a query"
        )
    try:
        return frame_table(entity_df) if is_pandas(entity_df) else to_table(entity_df)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise SpineError(f"entity rows: cannot be read as a table: {error}") from None


def _are_paths(entity_df: Any) -> bool:
    return isinstance(entity_df, list | tuple) and all(isinstance(item, str | Path) for item in entity_df)


def _read_files(entity_df: str | Path | Sequence[str | Path] | FileSource) -> pa.Table:
    try:
        if not isinstance(entity_df, FileSource):
            return FileSource(entity_df, timestamp_field="event_timestamp").read()
        idle = [name for name in _OF_EVENTS if getattr(entity_df, name)]
        if idle:
            raise SpineError(f"entity rows: {entity_df!r} has {', '.join(idle)}, which is about events; leave it out")
        return entity_df.read()
    except (DefinitionError, SourceError) as error:
        told = re.sub(r"^(source( '[^']*')?|FileSource): ", "", str(error))
        raise SpineError(f"entity rows: {told}") from None
