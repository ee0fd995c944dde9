"""Seeded data, written once to a folder: a spine and the events of one or several sources.

Times are whole microseconds, uniform over 90 days unless a shape says otherwise, so two events of one key at one time
are rare enough that no value hangs on a tie: peers break ties as they like.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
START = 1_704_067_200 * SECOND  # 2024-01-01
SEED = 7

_VERSION = 1  # of the generators: data of another version is written again
_ROW_GROUP = 122_880  # as DuckDB writes them


@dataclass(frozen=True)
class Size:
    """Rows of the spine, events of each source, and distinct keys."""

    spine: int
    events: int
    keys: int

    def __str__(self) -> str:
        return f"{rounded(self.spine)} x {rounded(self.events)}, {rounded(self.keys)} keys"


@dataclass(frozen=True)
class Events:
    """A spine and one or several sources with the same kind of keys.

    ``keys`` are "int", "string" or "composite" (a text of few values and an integer); ``zipf`` draws them with that
    exponent instead of uniformly. Features: ``amount`` (positive, two digits) and ``items`` (1 to 9), ``plan`` (text)
    where ``texts``, and ``columns`` further numbers ``c0``, ``c1``, ... The spine's keys are the first ``spine_keys``
    of a hundred, so a small part makes a narrow spine. ``ordered`` events stand in the file by their time.
    """

    keys: str = "int"
    sources: int = 1
    columns: int = 0
    texts: bool = False
    zipf: float | None = None
    spine_keys: int = 100
    ordered: bool = False
    span: int = 90 * DAY

    @property
    def key_columns(self) -> tuple[str, ...]:
        return ("region", "key") if self.keys == "composite" else ("key",)

    def write(self, folder: Path, size: Size) -> None:
        """Write ``spine.parquet`` and ``events.parquet`` (``events_0.parquet``, ... where there are several)."""
        import numpy as np
        import pyarrow as pa

        random = np.random.default_rng(SEED)
        asked = max(1, size.keys * self.spine_keys // 100)
        drawn = random.integers(0, asked, size.spine) if self.zipf is None else self._draw(random, size.spine, asked)
        times = START + random.integers(0, self.span, size.spine)
        columns = {**self._keys_of(drawn), "event_timestamp": pa.array(times, pa.timestamp("us"))}
        write(pa.table(columns), folder / "spine.parquet")
        for number in range(self.sources):
            name = f"events_{number}" if self.sources > 1 else "events"
            write(self._events(random, size), folder / f"{name}.parquet")

    def _events(self, random: np.random.Generator, size: Size) -> pa.Table:
        import numpy as np
        import pyarrow as pa

        drawn = self._draw(random, size.events, size.keys)
        times = START + random.integers(0, self.span, size.events)
        if self.ordered:
            times.sort()
        columns: dict[str, Any] = {
            **self._keys_of(drawn),
            "ts": pa.array(times, pa.timestamp("us")),
            "amount": np.abs(random.normal(100, 30, size.events)).round(2) + 0.01,
            "items": random.integers(1, 10, size.events),
        }
        if self.texts:
            names = pa.array([f"plan {number}" for number in range(200)])
            columns["plan"] = names.take(pa.array(random.integers(0, len(names), size.events)))
        for number in range(self.columns):
            columns[f"c{number}"] = random.integers(0, 1_000_000, size.events).astype(np.float64) / 64
        return pa.table(columns)

    def _draw(self, random: np.random.Generator, rows: int, keys: int) -> np.ndarray:
        """Key numbers, uniform or by Zipf's law: the n-th key has a share as 1 / n ** zipf."""
        import numpy as np

        if self.zipf is None:
            return random.integers(0, keys, rows)
        shares = np.cumsum(1.0 / np.arange(1, keys + 1) ** self.zipf)
        return np.searchsorted(shares, random.random(rows) * shares[-1])

    def _keys_of(self, drawn: np.ndarray) -> dict[str, Any]:
        import numpy as np
        import pyarrow as pa

        if self.keys == "int":
            return {"key": drawn}
        if self.keys == "string":
            names = pa.array([f"customer-{number:010d}" for number in range(int(drawn.max(initial=0)) + 1)])
            return {"key": names.take(pa.array(drawn))}
        regions = pa.array([f"region {number}" for number in range(16)])
        return {"region": regions.take(pa.array((drawn % 16).astype(np.int64))), "key": drawn // 16}


def written(data: Any, size: Size, root: Path) -> Path:
    """The folder with the data of a generator and a size, under ``root``; it is written where it isn't there."""
    text = f"{_VERSION} {data!r} {size!r}"
    folder = root / hashlib.sha256(text.encode()).hexdigest()[:16]
    if not folder.exists():
        root.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=root, prefix="part-"))
        try:
            data.write(part, size)
            os.replace(part, folder)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    return folder


def rounded(number: int) -> str:
    """A number of rows as people say it.

    >>> rounded(1_000_000), rounded(120_000), rounded(150)
    ('1M', '120k', '150')
    """
    for unit, letter in ((1_000_000, "M"), (1_000, "k")):
        if number >= unit:
            return f"{number / unit:.3g}{letter}"
    return str(number)


def write(table: pa.Table, path: Path) -> None:
    """Write a parquet file with the row groups that DuckDB would write."""
    import pyarrow.parquet as pq

    pq.write_table(table, path, row_group_size=_ROW_GROUP)
