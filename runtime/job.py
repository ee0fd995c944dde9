"""A retrieval as a job: planned once, run by each ``to_…``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..planner.compiler import CompiledPlan
from ..planner.errors import EngineError, HithertoError, UnsupportedError
from ..planner.features.tasks import HistoricalRetrievalTask
from .analyze import observe
from .arrow import arrow_type, as_planned
from .engine import ComputeEngine, SqlComputeEngine
from .explain import Explanation, script
from .spine import Spine

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


class RetrievalJob:
    """Features for the rows of a spine. Lazy: each ``to_…`` but ``to_sql`` runs it, with one and the same plan.

    The answer has every spine row once, in its order, with its own columns untouched, and then the features.
    """

    def __init__(self, task: HistoricalRetrievalTask, spine: Spine, engine: ComputeEngine) -> None:
        self._task = task
        self._spine = spine
        self._engine = engine

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the answer, known without running it."""
        schema = self._spine.rows.schema
        for field in self._feature_schema:
            schema = schema.append(field)
        return schema

    def to_arrow(self) -> pa.Table:
        """The answer as one Arrow table."""
        with self._features() as features:
            read = pa.Table.from_batches(list(features), schema=self._feature_schema)
        rows = self._spine.rows
        self._check_count(read.num_rows)
        return pa.Table.from_arrays([*rows.columns, *read.columns], schema=self.schema)

    def to_batches(self) -> pa.RecordBatchReader:
        """The answer in record batches, in the spine's order, as they are computed."""
        return pa.RecordBatchReader.from_batches(self.schema, self._batches())

    def to_df(self) -> pd.DataFrame:
        """The answer as a pandas DataFrame. Needs pandas."""
        _require("pandas")
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    def to_polars(self) -> pl.DataFrame:
        """The answer as a Polars DataFrame. Needs Polars."""
        _require("polars")
        import polars as pl

        frame = pl.from_arrow(self.to_arrow())
        assert isinstance(frame, pl.DataFrame)
        return frame

    def to_parquet(self, path: str | Path) -> Path:
        """Write the answer to a parquet file. The file appears whole or not at all, and replaces one that was there."""
        import pyarrow.parquet as pq

        target = Path(path)
        if not target.parent.is_dir():
            raise HithertoError(f"to_parquet: there is no folder {target.parent.absolute()}")
        if target.is_dir():
            raise HithertoError(f"to_parquet: {target.absolute()} is a folder; give a file's path")
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
        os.close(handle)
        try:
            with pq.ParquetWriter(name, self.schema) as writer:
                for batch in self._batches():
                    writer.write_batch(batch)
            os.chmod(name, 0o666 & ~_umask())
            os.replace(name, target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return target

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The answer through Arrow's C stream interface, for any library that reads it."""
        stream: object = self.to_batches().__arrow_c_stream__(requested_schema)  # type: ignore[no-untyped-call]
        return stream

    def to_sql(self) -> str:
        """A script that gives the same table when it is run by hand.

        It expects the spine as a table or view ``spine``, with its columns as given, and in-memory sources under their
        names.
        """
        engine = self._sql_engine("to_sql")
        carried = tuple(self._spine.rows.column_names)
        task = replace(self._task, spine=self._spine.table(carried), carried=carried)
        return script(engine.compile(engine.plan(task), task.options, task.statistics).plan, engine.compiler)

    def explain(
        self,
        level: str = "all",
        *,
        analyze: bool = False,
        format: str = "text",  # noqa: A002  # Feast's and Polars' word
        verbose: bool = False,
    ) -> Explanation:
        """The plan, the rules that changed it and the SQL; with ``analyze`` it is run and observed.

        Levels: "all", "dag", "logical", "optimized", "physical", "sql". Formats: "text", "json". ``verbose`` shows the
        difference that every rule made. Prints nothing: print the result, or show it in a notebook.
        """
        engine = self._sql_engine("explain")
        views, features = len(self._task.views), len(self._task.outputs)
        header = (
            f"Query   {views} view{'s' * (views != 1)}, {features} feature{'s' * (features != 1)}, "
            f"spine {self._spine.rows.num_rows:,} rows, {engine.description}"
        )
        explanation = Explanation(engine.plan(self._task), self._compiled, engine.compiler, header)
        explanation = explanation.at(level, format, verbose=verbose)
        if not analyze:
            return explanation
        return replace(explanation, analysis=observe(engine, self._task, self._compiled.plan))

    def __repr__(self) -> str:
        names = ", ".join(output.name for output in self._task.outputs)
        return f"RetrievalJob({self._spine.rows.num_rows} rows, {names})"

    @cached_property
    def _compiled(self) -> CompiledPlan:
        engine = self._sql_engine("explain")
        return engine.compile(engine.plan(self._task), self._task.options, self._task.statistics)

    @property
    def _feature_schema(self) -> pa.Schema:
        return pa.schema([pa.field(output.name, arrow_type(output.type)) for output in self._task.outputs])

    @contextmanager
    def _features(self) -> Generator[Iterator[pa.RecordBatch]]:
        """The feature columns in batches, in the spine's order and with their planned types."""
        with self._stream() as reader:
            yield self._as_planned(reader)

    @contextmanager
    def _stream(self) -> Generator[pa.RecordBatchReader]:
        engine = self._engine
        if isinstance(engine, SqlComputeEngine) and not self._task.options.unfused:
            with engine.stream(self._task, self._compiled.plan) as reader:
                yield reader
        else:
            with engine.stream(self._task) as reader:
                yield reader

    def _as_planned(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        for batch in reader:
            columns = [as_planned(batch.column(output.name), output.type) for output in self._task.outputs]
            yield pa.RecordBatch.from_arrays(columns, schema=self._feature_schema)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        rows, done = self._spine.rows, 0
        with self._features() as features:
            for batch in features:
                part = rows.slice(done, batch.num_rows).combine_chunks()
                done += batch.num_rows
                columns = [_one_chunk(column) for column in part.columns]
                yield pa.RecordBatch.from_arrays([*columns, *batch.columns], schema=self.schema)
        self._check_count(done)

    def _check_count(self, count: int) -> None:
        if count != self._spine.rows.num_rows:
            raise EngineError(f"{count} answers for {self._spine.rows.num_rows} spine rows: a bug, please report it")

    def _sql_engine(self, what: str) -> SqlComputeEngine:
        if not isinstance(self._engine, SqlComputeEngine):
            raise UnsupportedError(f"{what} needs an engine that runs SQL; {type(self._engine).__name__} does not")
        return self._engine


def _one_chunk(column: pa.ChunkedArray[Any]) -> pa.Array[Any]:
    chunks = column.chunks or [pa.array([], column.type)]
    return chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _require(package: str) -> None:
    from importlib.util import find_spec

    if find_spec(package) is None:
        raise UnsupportedError(f"{package} is not installed: pip install 'hitherto[{package}]'")
