"""Synthetic events and spines of a given shape, the same for every contender."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

SPAN = 90 * 86_400_000_000
START = 1_704_067_200_000_000


@dataclass(frozen=True)
class Shape:
    """Spine rows, events and keys; events and spine times are uniform over 90 days."""

    spine_rows: int
    events: int
    keys: int

    def __str__(self) -> str:
        return f"{self.spine_rows:,} spine rows x {self.events:,} events, {self.keys:,} keys"

    def write(self, folder: Path) -> tuple[pa.Table, Path]:
        """The spine, and a parquet file of the events: time, key, created time, two features."""
        random = np.random.default_rng(7)
        times = START + random.integers(0, SPAN, self.events)
        events = pa.table(
            {
                "key": random.integers(0, self.keys, self.events),
                "ts": pa.array(times, pa.timestamp("us")),
                "created": pa.array(times + random.integers(0, 3_600_000_000, self.events), pa.timestamp("us")),
                "amount": random.normal(100, 30, self.events).round(2),
                "items": random.integers(1, 10, self.events),
            }
        )
        path = folder / "events.parquet"
        pq.write_table(events, path)
        spine = pa.table(
            {
                "key": random.integers(0, self.keys, self.spine_rows),
                "event_timestamp": pa.array(START + random.integers(0, SPAN, self.spine_rows), pa.timestamp("us")),
            }
        )
        return spine, path


def write_lines(folder: Path, rows: int, suffix: str) -> Path:
    """A csv or ndjson file of 19 columns as of a table of flights: a key, a time, 13 small numbers, four texts."""
    random = np.random.default_rng(7)
    times = pa.array(START // 1_000_000 + random.integers(0, SPAN // 1_000_000, rows), pa.timestamp("s"))
    codes = pa.array(["EWR", "JFK", "LGA", "ORD", "t"])
    lines = pa.table(
        {
            "key": random.integers(0, 100, rows),
            "ts": pc.strftime(times, "%Y-%m-%dT%H:%M:%SZ"),
            **{f"n{number}": random.integers(-30, 2_400, rows) for number in range(13)},
            **{f"t{number}": codes.take(pa.array(random.integers(0, len(codes), rows))) for number in range(4)},
        }
    )
    path = folder / f"lines.{suffix}"
    connection = duckdb.connect()
    connection.register("lines", lines)
    connection.sql(f"COPY lines TO '{path}' (FORMAT {'csv' if suffix == 'csv' else 'json'})")
    return path
