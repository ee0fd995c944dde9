"""A retrieval as a job: planned once, run by each ``to_…``."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..planner.calls import checked_call
from ..planner.errors import EngineError, HithertoError, Problems, UnsupportedError, shown
from ..planner.features.checks import check_flag
from ..planner.features.tasks import HistoricalRetrievalTask
from ..planner.ir.data import CatalogTable
from ..planner.ir.logical import Table
from ..planner.planning import PlannedRequest
from ..planner.types import unusable_name
from .arrow import arrow_type, planned_column
from .engine import ComputeEngine
from .explain import Explanation, Format, Level, Query
from .frames import to_frame, to_polars, with_features
from .progress import Progress
from .rows.entity import EntityRows
from .script import script_by_hand
from .sinks.parquet import ParquetSink, check_place, writing
from .sinks.sink import written

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


class RetrievalJob:
    """Features for the rows of a spine. Lazy: each ``to_…`` but ``to_sql`` runs it, with one and the same plan.

    The answer has every spine row once, in its order, with its own columns untouched, and then the features.
    """

    def __init__(
        self,
        task: HistoricalRetrievalTask,
        rows: EntityRows,
        engine: ComputeEngine,
        *,
        progress: bool | None = None,
    ) -> None:
        self._task = task
        self._progress = progress
        self._rows = rows
        self._engine = engine
        self._held = ExitStack()

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the answer, known without running it."""
        schema = self._rows.arrow_schema
        for field in self._feature_schema:
            schema = schema.append(field)
        return schema

    def to_arrow(self) -> pa.Table:
        """The answer as one Arrow table."""
        with self._observed() as observer, self._answer(observer) as (own, features):
            read = pa.Table.from_batches(list(features), schema=self._feature_schema)
        _check_count(read.num_rows, own)
        return pa.Table.from_arrays([*own.columns, *read.columns], schema=self.schema)

    def to_batches(self) -> pa.RecordBatchReader:
        """The answer in record batches, in the spine's order, as they are computed."""
        return pa.RecordBatchReader.from_batches(self.schema, self._batches())

    def to_df(self) -> pd.DataFrame:
        """The answer as a pandas DataFrame; entity rows in pandas come back as they were, with their index.

        Integers and booleans of which one is missing are of pandas' nullable types ("Int64", "boolean"); dates beyond
        the year 9999, and lists and structs in which an integer is missing, of Arrow's (``pd.ArrowDtype``). Everything
        else has pandas' usual type. Needs pandas.
        """
        require("pandas")
        answer = self.to_arrow()
        if self._rows.frame is None:
            return to_frame(answer)
        names = self._rows.arrow_schema.names
        return with_features(self._rows.frame, names, answer.select(answer.column_names[len(names) :]))

    def to_polars(self) -> pl.DataFrame:
        """The answer as a Polars DataFrame. Needs Polars."""
        require("polars")
        return to_polars(self.to_arrow())

    @checked_call
    def to_parquet(self, path: str | Path) -> Path:
        """Write the answer to a parquet file, or on Spark to a folder of them, which Spark writes.

        It appears whole or not at all, and replaces one that was there.
        """
        if not isinstance(path, str | Path) or unusable_name(str(path)):
            raise HithertoError(f"to_parquet: {shown(path)} is not a path")
        target = Path(path)
        with writing(target), self._observed() as observer:
            if self._engine.has_frames:
                check_place(target, self.schema)
                with self._frame() as frame:
                    self._engine.write_parquet(frame, target)
            else:
                written(ParquetSink(target), self.schema, self._run(observer))
        return target

    def to_spark(self) -> Any:
        """The answer as a lazy Spark DataFrame of the engine's own session: nothing is collected, and nothing runs yet.

        Entity rows in memory are shipped to Spark with all their columns; rows that are a DataFrame are evaluated now,
        so that each keeps its identity. What the frame reads lives until the job is closed: ``job.close()``, or ``with
        job:``. Only on a ``SparkComputeEngine``.
        """
        if not self._engine.has_frames:
            raise UnsupportedError(f"to_spark needs a SparkComputeEngine; this job runs on {self._engine!r}")
        return self._held.enter_context(self._frame())

    def close(self) -> None:
        """Release what frames of ``to_spark`` read. They can't be used any more; the job can."""
        self._held.close()

    def __enter__(self) -> RetrievalJob:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The answer through Arrow's C stream interface, for any library that reads it."""
        stream: object = self.to_batches().__arrow_c_stream__(requested_schema)  # type: ignore[no-untyped-call]
        return stream

    def to_sql(self) -> str:
        """A script that gives the same table when it is run by hand, also a second time.

        It expects the entity rows, with their columns as given, as a table or view that its first line names:
        ``spine``, or ``spine_2`` and so on where a query or view of yours reads a ``spine``. In-memory sources are
        expected under the names in the second line. Columns have the job's types, as far as the engine can say them:
        an instant with a zone comes in UTC. It is the best plan in SQL alone; where the job searches events in memory
        instead, a comment says so.
        """
        target = self._engine.sql
        if target is None:
            raise UnsupportedError(f"to_sql needs an engine that runs SQL; {type(self._engine).__name__} does not")
        # What the choices ask of the rows is known then; a script's spine can't be asked.
        planner, is_run = self._engine.planner.in_sql, not self._shown.is_indexed
        _ = None if is_run else planner.plan(self._described)
        whole = self._rows.whole()
        name = self._task.spine.name
        data, known = CatalogTable((name,), is_plain=True), self._described.spine
        spine = Table(known.token, whole.schema, data, name=name, bounds=known.bounds)
        task = replace(self._described, spine=spine, carried=whole.schema.names)
        types = {field.name: field.type for field in (*whole.schema, *self._task.outputs)}
        return script_by_hand(planner.plan(task).joined, target.compiler, spine, types, is_run=is_run)

    @checked_call
    def explain(
        self,
        level: Level = "all",
        *,
        analyze: bool = False,
        format: Format = "text",  # noqa: A002  # Feast's and Polars' word
        verbose: bool = False,
    ) -> Explanation:
        """The plan, the rules that changed it and the SQL; with ``analyze`` it is run and observed.

        Levels: "all", "dag", "logical", "optimized", "physical", "sql". Formats: "text", "json". ``verbose`` shows the
        difference that every rule made. Prints nothing: print the result, or show it in a notebook.
        """
        problems = Problems()
        check_flag("explain: analyze", analyze, problems)
        check_flag("explain: verbose", verbose, problems)
        problems.raise_if_any()
        query = Query(self._engine.description, self._rows.count, self._task.outputs)
        explanation = Explanation(self._shown, self._engine.sql, query).at(level, format, verbose=verbose)
        if not analyze:
            return explanation
        with self._observed() as observer, self._rows.answering(self._task) as task:
            return replace(explanation, analysis=self._engine.analyze(task, self._plan_of(task), observer))

    def __getstate__(self) -> dict[str, Any]:
        # What frames of ``to_spark`` read is released by the job that gave them.
        return {**vars(self), "_held": ExitStack()}

    def __deepcopy__(self, memo: dict[int, object]) -> RetrievalJob:
        return copy(self)

    def __repr__(self) -> str:
        names = ", ".join(output.name for output in self._task.outputs)
        rows = f"{self._rows.count} rows" if self._rows.count is not None else "rows in the engine"
        return f"RetrievalJob({rows}, {names})"

    @cached_property
    def _described(self) -> HistoricalRetrievalTask:
        """The task with what is known of rows that stay in the engine, for a plan that is shown and not run."""
        return self._rows.described(self._task)

    @cached_property
    def _planned(self) -> PlannedRequest:
        return self._engine.planner.plan(self._task)

    @cached_property
    def _shown(self) -> PlannedRequest:
        """The plan of the task with all that is known of its rows."""
        return self._plan_of(self._described)

    def _plan_of(self, task: HistoricalRetrievalTask) -> PlannedRequest:
        """The plan of the task of one run: the job's own, unless that run has rows of its own."""
        return self._planned if task is self._task else self._engine.planner.plan(task)

    @property
    def _feature_schema(self) -> pa.Schema:
        return pa.schema([pa.field(output.name, arrow_type(output.type)) for output in self._task.outputs])

    def _observed(self) -> Progress:
        """The observer that shows the progress of a run."""
        views = len(self._task.views)
        return Progress(f"features of {views} view{'s' * (views != 1)}", wanted=self._progress)

    @contextmanager
    def _answer(self, observer: Progress) -> Generator[tuple[pa.Table, Iterator[pa.RecordBatch]]]:
        """The rows' own columns, and the features in batches, in the same order and with their planned types."""
        with (
            self._rows.answering(self._task) as task,
            self._engine.stream(task, self._plan_of(task), observer) as reader,
        ):
            yield self._rows.own_columns(task), self._as_planned(reader)

    @contextmanager
    def _frame(self) -> Generator[Any]:
        """The answer as a frame of the engine's, while the context is open."""
        with (
            self._rows.answering(self._task) as task,
            self._engine.frame(task, self._rows.own_data(task), self._plan_of(task)) as frame,
        ):
            yield frame

    def _as_planned(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        for batch in reader:
            columns = [planned_column(batch, output.name, output.type) for output in self._task.outputs]
            yield pa.RecordBatch.from_arrays(columns, schema=self._feature_schema)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        """The answer in batches. Their reader may do other things in between, so progress ends with the first one."""
        with self._observed() as observer:
            for batch in self._run(observer):
                observer.stop()
                yield batch

    def _run(self, observer: Progress) -> Iterator[pa.RecordBatch]:
        done = 0
        with self._answer(observer) as (own, features):
            for batch in features:
                part = own.slice(done, batch.num_rows).combine_chunks()
                done += batch.num_rows
                columns = [_one_chunk(column) for column in part.columns]
                yield pa.RecordBatch.from_arrays([*columns, *batch.columns], schema=self.schema)
        _check_count(done, own)


def _check_count(count: int, own: pa.Table) -> None:
    if count != own.num_rows:
        raise EngineError(f"{count} answers for {own.num_rows} spine rows: a bug, please report it")


def _one_chunk(column: pa.ChunkedArray[Any]) -> pa.Array[Any]:
    chunks = column.chunks or [pa.array([], column.type)]
    return chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)


def require(package: str) -> None:
    """Raise an UnsupportedError that says how to install a package, where it is not there."""
    from importlib.util import find_spec

    if find_spec(package) is None:
        raise UnsupportedError(f"{package} is not installed: pip install 'hitherto[{package}]'")
