"""Features of every type that a view can have: what is read online is what a retrieval answers, to the Python type."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import hitherto as ht
import pyarrow as pa
import pytest

END = datetime(2024, 1, 2)
TOKYO = pa.timestamp("us", "Asia/Tokyo")
MOMENT = datetime(2024, 7, 1, 12, 0, 0, 1)
ALL = pa.struct(
    [
        ("at", pa.timestamp("us")),
        ("on", pa.date32()),
        ("paid", pa.decimal128(10, 2)),
        ("raw", pa.binary()),
        ("in", TOKYO),
    ]
)
TYPES: dict[str, tuple[pa.DataType, list[Any]]] = {
    "a struct of times, a decimal and bytes": (
        ALL,
        [
            {
                "at": MOMENT,
                "on": date(1, 1, 1),
                "paid": Decimal("1.50"),
                "raw": b"\0\xff",
                "in": MOMENT.replace(tzinfo=UTC),
            },
            dict.fromkeys(["at", "on", "paid", "raw", "in"]),
        ],
    ),
    "a list of structs": (
        pa.list_(ALL),
        [[{"at": MOMENT, "on": None, "paid": None, "raw": b"", "in": None}, None], []],
    ),
    "a struct of lists": (
        pa.struct([("a", pa.list_(pa.decimal128(5, 1))), ("b", pa.list_(pa.list_(pa.float64())))]),
        [{"a": [Decimal("1.5"), None], "b": [[float("nan"), -0.0], None, []]}, {"a": [], "b": None}],
    ),
    "a struct in a struct": (
        pa.struct([("a", pa.struct([("b", pa.struct([("c", TOKYO)]))]))]),
        [{"a": {"b": {"c": MOMENT.replace(tzinfo=UTC)}}}, {"a": None}],
    ),
    "a list of dates": (pa.list_(pa.date32()), [[date(9999, 12, 31), None], []]),
    "a list of instants in a zone": (pa.list_(TOKYO), [[MOMENT.replace(tzinfo=UTC), None], []]),
    "a list of texts": (pa.list_(pa.string()), [["", "ü\0", None], []]),
    "a list of small floats": (pa.list_(pa.float32()), [[0.1, float("inf")], []]),
    "an instant at a distance from UTC": (pa.timestamp("us", "-05:30"), [MOMENT.replace(tzinfo=UTC)]),
    "nanoseconds": (pa.timestamp("ns"), [MOMENT]),
    "milliseconds in a zone": (pa.timestamp("ms", "Europe/Berlin"), [datetime(2024, 10, 27, 0, 30, tzinfo=UTC)]),
    "a decimal of many places": (pa.decimal128(38, 10), [Decimal("0.0000000001"), Decimal("-12345678901234567890.5")]),
    "a dictionary": (pa.dictionary(pa.int32(), pa.string()), ["a", "b"]),
    "a list of fixed size": (pa.list_(pa.int32(), 2), [[1, None]]),
    "large forms": (pa.large_list(pa.large_string()), [["a"], []]),
    "an empty struct": (pa.struct([]), [{}]),
}


def answers(path: Path, view: ht.FeatureView, keys: list[int]) -> tuple[ht.OnlineResponse, pa.Table]:
    """What is read online, and what a retrieval answers at the same end."""
    store = ht.FeatureStore([view], online_store=ht.SqliteOnlineStore(path))
    store.materialize(END)
    spine = pa.table({"k": keys, "event_timestamp": pa.array([END] * len(keys), pa.timestamp("us"))})
    historical = store.get_historical_features(spine, view).to_arrow().drop(["event_timestamp"])
    return store.get_online_features(view, [{"k": key} for key in keys]), historical


def typed(value: Any) -> Any:
    """A value with the type and the zone of all that is in it."""
    if isinstance(value, dict):
        return {name: typed(each) for name, each in value.items()}
    if isinstance(value, list):
        return [typed(each) for each in value]
    moment = value.isoformat() if isinstance(value, datetime) else repr(value).replace("-0.0", "0.0")
    return f"{type(value).__name__} {moment}"


@pytest.mark.parametrize(("type_", "values"), TYPES.values(), ids=TYPES)
def test_a_feature_is_read_as_a_retrieval_answers_it(tmp_path: Path, type_: pa.DataType, values: list[Any]) -> None:
    keys = list(range(len(values) + 1))
    rows = pa.table(
        {"k": keys, "ts": pa.array([END] * len(keys), pa.timestamp("us")), "v": pa.array([*values, None], type_)}
    )
    source = ht.ArrowSource(rows, timestamp_field="ts", unique=True)
    response, historical = answers(
        tmp_path / "online.db", ht.FeatureView("v", entities=["k"], source=source), [*keys, 99]
    )
    wanted = historical["v"].to_pylist()
    assert typed(response.to_dict()["v"]) == typed(wanted)
    table = response.to_arrow()
    assert table.column_names == ["k", "v"]
    assert str(table.schema.types) == str(historical.schema.types).replace("<l: ", "<item: ")
    assert typed(table["v"].to_pylist()) == typed(wanted)


def test_aggregates_are_read_as_a_retrieval_answers_them(tmp_path: Path) -> None:
    moments = pa.array([datetime(2024, 1, 1), datetime(2024, 1, 1, 6), datetime(2024, 1, 1, 12)], TOKYO)
    rows = pa.table(
        {"k": [1, 1, 2], "ts": moments, "paid": pa.array([Decimal("1.5")] * 3, pa.decimal128(8, 2)), "at": moments}
    )
    made = [
        *ht.Aggregation.cross(["paid", "at"], ["min", "last", "mode", "count_distinct"], ["1d"]),
        *ht.Aggregation.cross(["paid", "at"], ["last_n"], ["1d", "1h"], n=2),
        ht.Aggregation("paid", "sum", "1d"),
        ht.Aggregation("paid", "mean", "1d"),
    ]
    view = ht.FeatureView("v", entities=["k"], source=ht.ArrowSource(rows, timestamp_field="ts"), aggregations=made)
    response, historical = answers(tmp_path / "online.db", view, [1, 2, 99])
    assert typed(response.to_dict()) == typed(historical.to_pydict())
    assert typed(response.to_arrow().to_pydict()) == typed(historical.to_pydict())


@pytest.mark.parametrize(("rows_at_once", "bytes_at_once"), [(100, 10**9), (10**9, 1_000), (1, 1)])
def test_rows_that_are_not_encoded_together_are_all_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_at_once: int, bytes_at_once: int
) -> None:
    monkeypatch.setattr("hitherto.runtime.sinks.online._ROWS_AT_ONCE", rows_at_once)
    monkeypatch.setattr("hitherto.runtime.sinks.online._BYTES_AT_ONCE", bytes_at_once)
    keys = list(range(701))
    texts = [str(key) * (key % 7) for key in keys]
    rows = pa.table({"k": keys, "ts": pa.array([END] * 701, pa.timestamp("us")), "v": texts})
    view = ht.FeatureView("v", entities=["k"], source=ht.ArrowSource(rows, timestamp_field="ts"))
    response, _ = answers(tmp_path / "online.db", view, [*keys, 701])
    assert response.to_dict()["v"] == [*texts, None]
