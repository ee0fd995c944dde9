"""Benchmarks that others have published, on data of the same kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..data import DAY, SECOND, SEED, START, Events, Size, write
from ..shape import Latest, Measure, Shape, Sql, Windows
from .latest import ASOF, BY_NUMBER
from .windows import BUCKETED, RANGE_JOIN

ANY_AGE = Sql("packed ASOF", "latest_packed_any_age", once="latest_packed_once")


@dataclass(frozen=True)
class Trades:
    """Trades and prices of symbols within a day, at whole microseconds.

    The question is the mean price of one second before to one after each trade. Windows of features look back alone, so
    the spine's time is a second after the trade, and the window is two seconds, closed at both ends.
    """

    def write(self, folder: Path, size: Size) -> None:
        import numpy as np
        import pyarrow as pa

        random = np.random.default_rng(SEED)
        symbols = pa.array([f"SYM{number:04d}" for number in range(size.keys)])
        times = START + np.sort(random.integers(0, DAY, size.spine)) + SECOND
        asked = symbols.take(pa.array(random.integers(0, size.keys, size.spine)))
        write(
            pa.table({"key": asked, "event_timestamp": pa.array(times, pa.timestamp("us"))}), folder / "spine.parquet"
        )
        times = START + np.sort(random.integers(0, DAY, size.events))
        bid = 100 + random.random(size.events)
        prices = {
            "key": symbols.take(pa.array(random.integers(0, size.keys, size.events))),
            "ts": pa.array(times, pa.timestamp("us")),
            "bid": bid,
            "ask": bid + random.random(size.events) / 100,
        }
        write(pa.table(prices), folder / "events.parquet")


SHAPES = (
    Shape(
        "daft-asof",
        "Daft's as-of join: ten rows an event, 10,000 keys as texts by Zipf's law, of any age",
        Events(keys="string", zipf=1.1),
        {
            "S": Size(100_000, 10_000, 1_000),
            "M": Size(1_000_000, 100_000, 10_000),
            "L": Size(10_000_000, 1_000_000, 10_000),
        },
        views=(Latest(ttl=None),),
        sql=(ANY_AGE, ASOF),
        polars=BY_NUMBER,
        pandas=True,
    ),
    Shape(
        "questdb-window-join",
        "QuestDB's window join: mean bid and ask within a second of each trade",
        Trades(),
        {
            "S": Size(100_000, 300_000, 20),
            "M": Size(1_000_000, 3_000_000, 20),
            "50M": Size(50_000_000, 150_000_000, 1_000),
        },
        views=(Windows((Measure("mean", "bid", 2 * SECOND), Measure("mean", "ask", 2 * SECOND)), closed="both"),),
        sql=(BUCKETED, RANGE_JOIN),
        polars=("join and group", "join and group, streaming"),
        by_name_only=("50M",),
    ),
    Shape(
        "hopsworks-taxi",
        "Hopsworks' three feature groups, joined to taxi trips",
        Events(keys="int", sources=3, columns=5),
        {
            "S": Size(100_000, 100_000, 1_000),
            "M": Size(1_000_000, 1_000_000, 13_000),
            "2M": Size(2_000_000, 2_000_000, 13_000),
            "5M": Size(5_000_000, 5_000_000, 13_000),
            "L": Size(10_000_000, 10_000_000, 13_000),
        },
        views=tuple(
            Latest(tuple(f"c{column}" for column in range(5)), None, events=f"events_{number}", name=f"group_{number}")
            for number in range(3)
        ),
        sql=(ANY_AGE, ASOF),
        polars=("join_asof", "join_asof, lazy"),
        pandas=True,
    ),
)
