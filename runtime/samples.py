"""Some rows of what is read without an engine, and how many pairs with equal keys two such samples tell of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..planner.ir.data import ArrowData, TableData
from .sources.footers import StoredFile, reading
from .sources.parquet import LocalFiles

_WHOLE = 20_000
"""So many rows are taken all."""
_SHARE = 20
_MOST = 100_000
"""Of more, every twentieth, and no more than these."""
_PLACES = 8
"""Row groups that are looked into: to open one costs as much as some thousand rows."""


@dataclass(frozen=True)
class Sample:
    """Rows without nulls, and how many rows each of them stands for."""

    rows: pa.Table
    weight: float


def sampled(data: TableData, columns: Sequence[str]) -> Sample | None:
    """Rows spread evenly over the data, the same each time; None where they are not read without an engine."""
    match data:
        case ArrowData(value=pa.Table() as rows):
            wanted, total = rows.select(list(columns)), rows.num_rows
            step = -(-total // _size(total)) if total else 1
            taken = wanted if step == 1 else wanted.take(pa.array(range(0, total, step)))
        case LocalFiles(parts=parts) if all(set(columns) <= set(file.arrow.names) for file in parts.filled):
            total = sum(file.rows for file in parts.filled)
            taken = pa.Table.from_batches(_of_files(parts.filled, columns, _size(total) if total > _WHOLE else None))
        case _:
            return None
    return Sample(taken.drop_null(), total / max(1, taken.num_rows))


def pairs(left: Sample, right: Sample | None) -> int:
    """About how many pairs of a left and a right row have equal values, all rows together.

    Of unknown right rows, each has as many left ones as another left row has: for one row, then.
    """
    counts = left.rows.group_by(left.rows.column_names).aggregate([([], "count_all")])
    if right is None:
        n = counts["count_all"]
        among = pc.sum(pc.multiply(n, pc.subtract(n, 1))).as_py() or 0
        return round(1 + among * left.weight / max(1, left.rows.num_rows))
    names = left.rows.column_names
    others = right.rows.rename_columns(names).cast(left.rows.schema)
    both = counts.join(
        others.group_by(names).aggregate([([], "count_all")]), names, join_type="inner", right_suffix="_2"
    )
    found = pc.sum(pc.multiply(both["count_all"], both["count_all_2"])).as_py() or 0
    return round(found * left.weight * right.weight)


def _size(total: int) -> int:
    return min(max(total // _SHARE, _WHOLE), _MOST)


def _of_files(files: Sequence[StoredFile], columns: Sequence[str], most: int | None) -> Iterator[pa.RecordBatch]:
    """All rows, or the first ones of row groups that are spread over the files."""
    wanted = files if most is None else files[:: -(-len(files) // _PLACES)]
    for file in wanted:
        with reading(file.path), pq.ParquetFile(file.path) as reader:
            if most is None:
                yield from reader.iter_batches(columns=list(columns))
                continue
            groups = range(0, reader.num_row_groups, -(-reader.num_row_groups * len(wanted) // _PLACES))
            each = -(-most // (len(wanted) * len(groups)))
            for group in groups:
                yield next(reader.iter_batches(batch_size=each, row_groups=[group], columns=list(columns)))
