"""Lines of text: counts and sums of 19 columns, of which four are read; DuckDB's own reader reads the same four."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..data import DAY, SECOND, SEED, START, Size, write
from ..shape import Contender, Inputs, Run, Shape

if TYPE_CHECKING:
    import pyarrow as pa

SIZES = {"S": Size(100, 30_000, 100), "M": Size(100, 336_776, 100), "L": Size(100, 3_000_000, 100)}


@dataclass(frozen=True)
class Lines:
    """A csv or ndjson file as of a table of flights: a key, a time, 13 small numbers, four texts."""

    suffix: str

    def write(self, folder: Path, size: Size) -> None:
        import duckdb
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        random = np.random.default_rng(SEED)
        seconds = START // SECOND + random.integers(0, 90 * DAY // SECOND, size.events)
        codes = pa.array(["EWR", "JFK", "LGA", "ORD", "t"])
        lines = pa.table(  # noqa: F841, read by name
            {
                "key": random.integers(0, size.keys, size.events),
                "ts": pc.strftime(pa.array(seconds, pa.timestamp("s")), "%Y-%m-%dT%H:%M:%SZ"),
                **{f"n{number}": random.integers(-30, 2_400, size.events) for number in range(13)},
                **{f"t{number}": codes.take(pa.array(random.integers(0, 5, size.events))) for number in range(4)},
            }
        )
        kind = "csv" if self.suffix == "csv" else "json"
        duckdb.sql(f"COPY lines TO '{folder / f'lines.{self.suffix}'}' (FORMAT {kind})")
        spine = {"key": range(size.keys), "event_timestamp": pa.array([2 * 10**15] * size.keys, pa.timestamp("us"))}
        write(pa.table(spine), folder / "spine.parquet")


def hitherto(suffix: str, inputs: Inputs, *, is_new: bool = False) -> Run:
    """A file that ``is_new`` was not seen before: its types are inferred, from all of its values."""
    import hitherto as ht

    path = inputs.folder / f"lines.{suffix}"
    counts = [ht.Aggregation("*", "count", name="n"), ht.Aggregation("n0", "sum", name="total")]
    view = ht.FeatureView(
        "lines",
        entities=["key"],
        source=ht.FileSource(path, timestamp_field="ts"),
        filter="t0 <> 't'",
        columns={"read": "t0"},
        aggregations=counts,
    )
    store = ht.FeatureStore([view], progress=False)

    def run() -> pa.Table:
        if is_new:
            path.touch()
        return store.get_historical_features(inputs.spine, view).to_arrow().select(["n", "total"])

    return run


def by_hand(suffix: str, inputs: Inputs) -> Run:
    import duckdb

    connection = duckdb.connect()
    connection.sql("SET enable_progress_bar = false")
    read = "read_csv" if suffix == "csv" else "read_json"
    query = f"""
        SELECT count(*) AS n, sum(n0) AS total FROM {read}('{inputs.folder / f"lines.{suffix}"}')
        WHERE t0 <> 't' AND ts < TIMESTAMP '2033-01-01' GROUP BY key ORDER BY key
    """
    return lambda: connection.sql(query).to_arrow_table()


def of(suffix: str) -> tuple[Contender, ...]:
    return (
        Contender("hitherto", "", partial(hitherto, suffix)),
        Contender("hitherto", "a new file each time", partial(hitherto, suffix, is_new=True)),
        Contender("SQL by hand", "DuckDB's reader", partial(by_hand, suffix)),
    )


SHAPES = (
    Shape("csv", "four of 19 columns of a csv file", Lines("csv"), SIZES, extra=of("csv")),
    Shape("ndjson", "four of 19 columns of lines of JSON", Lines("ndjson"), SIZES, extra=of("ndjson")),
)
