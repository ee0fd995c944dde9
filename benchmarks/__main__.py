"""hitherto against SQL and JSON written by hand, against Polars, and against DuckDB's readers of texts.

Contenders read the same file and give an Arrow table in spine order. Polars and a plain ASOF join break ties
arbitrarily, so the comparison is on data whose ties do not decide a value; they are the yardstick of speed.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import duckdb
import hitherto as ht
import polars as pl
import pyarrow as pa

from .data import Shape, write_lines
from .measure import compare
from .online import online


def latest(shape: Shape, repetitions: int) -> None:
    """The latest value with a ttl of seven days."""
    with tempfile.TemporaryDirectory() as folder:
        spine, path = shape.write(Path(folder))
        source = ht.FileSource(path, timestamp_field="ts", created_timestamp_column="created")
        view = ht.FeatureView("latest", entities=["key"], source=source, features=["amount", "items"], ttl="7d")
        store = ht.FeatureStore([view])
        connection = duckdb.connect()

        def hitherto() -> pa.Table:
            return store.get_historical_features(spine, view).to_arrow().select(["amount", "items"])

        def plain_asof() -> pa.Table:
            connection.register("spine", spine)
            return connection.sql(f"""
                WITH s AS (SELECT row_number() OVER () AS r, key, event_timestamp AS t FROM spine)
                SELECT CASE WHEN e.ts >= s.t - INTERVAL 7 DAY THEN e.amount END AS amount,
                       CASE WHEN e.ts >= s.t - INTERVAL 7 DAY THEN e.items END AS items
                FROM s ASOF LEFT JOIN read_parquet('{path}') e ON s.key = e.key AND s.t >= e.ts ORDER BY s.r
            """).to_arrow_table()

        def polars() -> pa.Table:
            left = pl.from_arrow(spine).with_row_index("r").sort("event_timestamp")
            right = pl.read_parquet(path, columns=["key", "ts", "amount", "items"]).sort("ts")
            joined = left.join_asof(
                right, left_on="event_timestamp", right_on="ts", by="key", tolerance="7d", check_sortedness=False
            )
            return joined.sort("r").select("amount", "items").to_arrow()

        print(f"latest value, ttl 7d: {shape}")
        compare({"hitherto": hitherto, "plain ASOF (ties open)": plain_asof, "Polars join_asof": polars}, repetitions)


def windows(shape: Shape, repetitions: int) -> None:
    """Sum and count over 7 and 30 days."""
    with tempfile.TemporaryDirectory() as folder:
        spine, path = shape.write(Path(folder))
        source = ht.FileSource(path, timestamp_field="ts")
        aggregations = [
            *ht.Aggregation.cross(["amount"], ["sum"], ["7d", "30d"]),
            *ht.Aggregation.cross(["*"], ["count"], ["7d", "30d"]),
        ]
        view = ht.FeatureView("windows", entities=["key"], source=source, aggregations=aggregations)
        store = ht.FeatureStore([view])
        connection = duckdb.connect()
        names = [aggregation.name for aggregation in aggregations]

        def hitherto() -> pa.Table:
            return store.get_historical_features(spine, view).to_arrow().select(names)

        def by_hand() -> pa.Table:
            """The range join that people write: no buckets, one pass."""
            connection.register("spine", spine)
            return connection.sql(f"""
                WITH s AS MATERIALIZED (SELECT row_number() OVER () AS r, key, event_timestamp AS t FROM spine),
                w AS (SELECT s.r, sum(amount) FILTER (WHERE e.ts >= s.t - INTERVAL 7 DAY) AS sum_amount_7d,
                        sum(amount) AS sum_amount_30d,
                        count(*) FILTER (WHERE e.ts >= s.t - INTERVAL 7 DAY) AS count_7d, count(*) AS count_30d
                      FROM s JOIN read_parquet('{path}') e
                        ON s.key = e.key AND e.ts >= s.t - INTERVAL 30 DAY AND e.ts < s.t GROUP BY s.r)
                SELECT sum_amount_7d, sum_amount_30d, coalesce(count_7d, 0) AS count_7d,
                       coalesce(count_30d, 0) AS count_30d
                FROM s LEFT JOIN w USING (r) ORDER BY s.r
            """).to_arrow_table()

        print(f"sum and count over 7d and 30d: {shape}")
        compare({"hitherto": hitherto, "range join by hand": by_hand}, repetitions)


def texts(rows: int, suffix: str, repetitions: int) -> None:
    """Counts and sums of lines of 19 columns, of which four are read; DuckDB reads the same four."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_lines(Path(folder), rows, suffix)
        source = ht.FileSource(path, timestamp_field="ts")
        counts = [ht.Aggregation("*", "count", name="n"), ht.Aggregation("n0", "sum", name="total")]
        view = ht.FeatureView(
            "lines", entities=["key"], source=source, filter="t0 <> 't'", columns={"read": "t0"}, aggregations=counts
        )
        store = ht.FeatureStore([view])
        spine = pa.table({"key": range(100), "event_timestamp": pa.array([2 * 10**15] * 100, pa.timestamp("us"))})
        connection = duckdb.connect()
        connection.sql("SET enable_progress_bar = false")
        read = "read_csv" if suffix == "csv" else "read_json"

        def hitherto() -> pa.Table:
            return store.get_historical_features(spine, view).to_arrow().select(["n", "total"])

        def first() -> pa.Table:
            """A file that was not seen before: its types are inferred, from all of its values."""
            path.touch()
            return hitherto()

        def duckdb_reader() -> pa.Table:
            return connection.sql(f"""
                SELECT count(*) AS n, sum(n0) AS total FROM {read}('{path}')
                WHERE t0 <> 't' AND ts < TIMESTAMP '2033-01-01' GROUP BY key ORDER BY key
            """).to_arrow_table()

        print(f"four of 19 columns of {suffix}: {rows:,} lines, {path.stat().st_size / 1e6:,.0f} MB")
        compare({f"DuckDB's {read}": duckdb_reader, "hitherto, types known": hitherto, "hitherto": first}, repetitions)


def main() -> None:
    """Run every shape, or small ones with ``--quick``."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="a hundredth of the rows, for a check that it runs")
    arguments = parser.parse_args()
    scale, repetitions = (100, 1) if arguments.quick else (1, 5)
    print(f"duckdb {duckdb.__version__}, polars {pl.__version__}, pyarrow {pa.__version__}")
    for spine_rows, events, keys in ((100_000, 1_000_000, 10_000), (1_000_000, 1_000_000, 10_000)):
        latest(Shape(spine_rows // scale, events // scale, keys // scale), repetitions)
    for spine_rows, events, keys in ((100_000, 1_000_000, 10_000), (1_000_000, 1_000_000, 100_000)):
        windows(Shape(spine_rows // scale, events // scale, keys // scale), repetitions)
    for suffix in ("ndjson", "csv"):
        texts(336_776 // scale, suffix, repetitions)
    online(400_000 // scale, repetitions)


if __name__ == "__main__":
    main()
