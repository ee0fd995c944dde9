"""Synthetic events and spines of a given shape, the same for every contender."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
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
