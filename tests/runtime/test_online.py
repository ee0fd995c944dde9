"""The online store: what was materialized is read back to the bit, and no half-written state is ever seen."""

from __future__ import annotations

import math
import os
import signal
import sqlite3
import struct
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import hitherto as ht
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

T0 = datetime(2024, 1, 1)
END = datetime(2024, 1, 2, tzinfo=UTC)


def days(*offsets: float) -> pa.Array:
    return pa.array([T0 + timedelta(days=offset) for offset in offsets], pa.timestamp("us"))


EVENTS = pa.table({"user_id": [1, 1, 2, 3], "ts": days(0, 0.5, 0, 3), "amount": [1.0, 2.0, 3.0, 4.0]})


def view(name: str = "last", data: Any = EVENTS, **changes: Any) -> ht.FeatureView:
    source = ht.ArrowSource(data, timestamp_field="ts")
    return ht.FeatureView(name, **{"entities": ["user_id"], "source": source} | changes)


def windows(name: str = "sums", data: Any = EVENTS) -> ht.FeatureView:
    return view(name, data, aggregations=[ht.Aggregation("amount", "sum", "6h"), ht.Aggregation("*", "count", "2d")])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "online.db"


def store_of(path: Path, *views: Any) -> ht.FeatureStore:
    return ht.FeatureStore(list(views), online_store=ht.SqliteOnlineStore(path))


def read(store: ht.FeatureStore, *keys: Any, features: Any = "last", **options: Any) -> dict[str, list[Any]]:
    rows = [{"user_id": key} for key in keys]
    return store.get_online_features(features, rows, **options).to_dict()


def test_reading_equals_a_retrieval_at_the_end(path: Path) -> None:
    store = store_of(path, view(), windows(), view("aged", ttl="6h", columns={"old": "amount * 2"}, features=["old"]))
    features = ["last", "sums", "aged"]
    keys = [1, 2, 3, 99, 1, None]
    for end in (END, END - timedelta(days=10), END + timedelta(days=30)):
        store.materialize(end, allow_rollback=True)
        spine = pa.table({"user_id": keys, "event_timestamp": pa.array([end] * len(keys), pa.timestamp("us", "UTC"))})
        historical = store.get_historical_features(spine, features).to_arrow().drop(["event_timestamp"])
        assert read(store, *keys, features=features) == historical.to_pydict()


ZONE = ZoneInfo("America/New_York")
TYPES: dict[str, tuple[pa.DataType, list[Any]]] = {
    "float64": (pa.float64(), [1.5, math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, None]),
    "float32": (pa.float32(), [1.5, math.nan, math.inf, 3.4028234663852886e38, None]),
    "int64": (pa.int64(), [2**63 - 1, -(2**63), 0, None]),
    "int8": (pa.int8(), [127, -128, None]),
    "uint64": (pa.uint64(), [2**63 - 1, 0, None]),
    "bool": (pa.bool_(), [True, False, None]),
    "string": (pa.string(), ["", "ü\n\0'\"", "日本", "null", None]),
    "binary": (pa.binary(), [b"", b"\x00\xff", None]),
    "date": (pa.date32(), [date(1, 1, 1), date(9999, 12, 31), None]),
    "timestamp": (pa.timestamp("us"), [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999), None]),
    "timestamp with a zone": (
        pa.timestamp("us", "America/New_York"),
        [datetime(2024, 7, 1, 12, 0, 0, 1, tzinfo=ZONE), datetime(2024, 11, 3, 1, 30, fold=1, tzinfo=ZONE), None],
    ),
    "timestamp in seconds": (pa.timestamp("s"), [datetime(2024, 1, 1), None]),
    "decimal": (pa.decimal128(38, 2), [Decimal("1.50"), Decimal("-" + "9" * 36 + ".99"), Decimal("0.00"), None]),
}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("d", one) == struct.pack("d", other) or (math.isnan(one) and math.isnan(other))
    if isinstance(one, datetime) and isinstance(other, datetime):
        return one == other and one.utcoffset() == other.utcoffset()
    return type(one) is type(other) and one == other and str(one) == str(other)


@pytest.mark.parametrize(("type_", "values"), TYPES.values(), ids=TYPES)
def test_values_of_every_type_come_back_as_they_were(path: Path, type_: pa.DataType, values: list[Any]) -> None:
    keys = list(range(len(values)))
    data = pa.table({"user_id": keys, "ts": days(*[0] * len(keys)), "value": pa.array(values, type_)})
    store = store_of(path, view(data=data))
    store.materialize(END)
    found = read(store, *keys)["value"]
    assert all(map(same, found, values)), found


def test_the_sign_of_zero_is_no_matter(path: Path) -> None:
    data = pa.table({"user_id": [1], "ts": days(0), "value": [-0.0]})
    store = store_of(path, view(data=data))
    store.materialize(END)
    assert read(store, 1)["value"] == [0.0]


KEYS: dict[str, tuple[pa.DataType, list[Any], list[Any]]] = {
    "int64": (pa.int64(), [2**63 - 1, -(2**63), 0], [2**63 - 1, -(2**63), 0]),
    "int16 read as numpy": (pa.int16(), [1, -2], [np.int64(1), np.int16(-2)]),
    "string": (pa.string(), ["", "ü", "1", "null", "a\0b"], ["", "ü", "1", "null", "a\0b"]),
    "bool": (pa.bool_(), [True, False], [True, np.bool_(False)]),
    "binary": (pa.binary(), [b"", b"\xff"], [b"", b"\xff"]),
    "decimal": (pa.decimal128(10, 2), [Decimal("1.50"), Decimal("0.00")], [Decimal("1.5"), Decimal(0)]),
    "date": (pa.date32(), [date(2024, 1, 1), date(1969, 1, 1)], [date(2024, 1, 1), datetime(1969, 1, 1)]),
    "timestamp in another zone": (
        pa.timestamp("ms", "Asia/Tokyo"),
        [datetime(2024, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)],
        [pd.Timestamp("2024-01-01", tz="Europe/Berlin") + pd.Timedelta(hours=1), datetime(1, 1, 1)],
    ),
}


@pytest.mark.parametrize(("type_", "stored", "asked"), KEYS.values(), ids=KEYS)
def test_keys_of_every_type_are_found(path: Path, type_: pa.DataType, stored: list[Any], asked: list[Any]) -> None:
    numbers = list(range(len(stored)))
    data = pa.table({"user_id": pa.array(stored, type_), "ts": days(*[0] * len(stored)), "n": numbers})
    store = store_of(path, view(data=data))
    store.materialize(END)
    assert read(store, *asked, None)["n"] == [*numbers, None]


def test_composite_keys_are_found_by_name(path: Path) -> None:
    data = pa.table({"a": [1, 1, 11], "b": ["1", "x", ""], "ts": days(0, 0, 0), "n": [1, 2, 3]})
    store = store_of(path, view(data=data, entities=["a", "b"]))
    store.materialize(END)
    rows = [
        {"b": "x", "a": 1},
        {"a": 11, "b": ""},
        {"a": 1, "b": "1", "more": 0},
        {"a": 1, "b": ""},
        {"a": 1, "b": None},
    ]
    assert store.get_online_features("last", rows).to_dict() == {
        "a": [1, 11, 1, 1, 1],
        "b": ["x", "", "1", "", None],
        "n": [2, 3, 1, None, None],
    }


def test_a_composite_key_that_is_null_in_part_is_not_stored(path: Path) -> None:
    data = pa.table({"a": [1, None, None], "b": ["x", "x", None], "ts": days(0, 0, 0), "n": [1, 2, 3]})
    store = store_of(path, view(data=data, entities=["a", "b"]))
    assert store.materialize(END).views["last"].rows == 1
    rows = [{"a": None, "b": "x"}, {"a": None, "b": None}, {"a": 1, "b": "x"}]
    assert store.get_online_features("last", rows).to_dict()["n"] == [None, None, 1]


def test_a_key_that_is_not_known_reads_as_the_empty_answer(path: Path) -> None:
    store = store_of(path, view(), windows())
    store.materialize(END)
    answer = read(store, 99, features=["last", "sums"])
    assert answer == {"user_id": [99], "amount": [None], "sum_amount_6h": [None], "count_2d": [0]}


def test_more_keys_than_one_query_takes_are_read(path: Path) -> None:
    count = 1_700
    data = pa.table({"user_id": list(range(count)), "ts": days(*[0] * count), "n": list(range(count))})
    store = store_of(path, view(data=data))
    assert store.materialize(END).views["last"].rows == count
    assert read(store, *range(count), *range(count))["n"] == [*range(count), *range(count)]


def test_no_entity_rows_give_empty_columns(path: Path) -> None:
    store = store_of(path, view())
    store.materialize(END)
    assert store.get_online_features("last", []).to_dict() == {"user_id": [], "amount": []}


def test_features_are_read_in_the_order_asked_and_under_full_names(path: Path) -> None:
    store = store_of(path, view(), windows())
    store.materialize(END)
    answer = read(store, 1, features=["sums:count_2d", "last:amount"], full_feature_names=True)
    assert list(answer) == ["user_id", "sums__count_2d", "last__amount"]


def test_one_stored_view_answers_for_two_keys_of_a_row(path: Path) -> None:
    payer = view().with_name("payer").with_join_key_map({"user_id": "payer_id"})
    payee = view().with_name("payee").with_join_key_map({"user_id": "payee_id"})
    store = store_of(path, payer, payee)
    assert list(store.materialize(END).views) == ["last"]
    rows = [{"payer_id": 1, "payee_id": 2}, {"payer_id": 2, "payee_id": 9}]
    assert store.get_online_features(["payer", "payee"], rows, full_feature_names=True).to_dict() == {
        "payer_id": [1, 2],
        "payee_id": [2, 9],
        "payer__amount": [2.0, 3.0],
        "payee__amount": [3.0, None],
    }


def test_a_projection_is_stored_whole(path: Path) -> None:
    data = EVENTS.append_column("more", EVENTS["amount"])
    store_of(path, view(data=data)[["amount"]]).materialize(END)
    assert read(store_of(path, view(data=data)), 1)["more"] == [2.0]


def test_another_process_reads_what_was_stored(path: Path) -> None:
    store_of(path, view()).materialize(END)
    empty = EVENTS.slice(0, 0)
    assert read(store_of(path, view(data=empty)), 1)["amount"] == [2.0]


def test_the_response_says_how_current_each_view_is(path: Path) -> None:
    store = store_of(path, view(), windows())
    store.materialize(END, views=["last"])
    store.materialize(END + timedelta(days=1), views=["sums"])
    response = store.get_online_features(["last", "sums"], [{"user_id": 1}])
    assert response.as_of == {"last": END, "sums": END + timedelta(days=1)}
    assert repr(response) == (
        "OnlineResponse(1 row: user_id=[1], amount=[2.0], sum_amount_6h=[None], count_2d=[2]; "
        "last as of 2024-01-02 00:00:00, sums as of 2024-01-03 00:00:00)"
    )


def test_max_age_turns_an_older_view_into_empty_answers(path: Path) -> None:
    store = store_of(path, view(), windows())
    now = datetime.now(UTC)
    store.materialize(END, views=["last"])
    store.materialize(now, views=["sums"])
    for age in ("1h", timedelta(hours=1)):
        answer = read(store, 1, features=["last", "sums"], max_age=age)
        assert answer == {"user_id": [1], "amount": [None], "sum_amount_6h": [None], "count_2d": [0]}
    recent = pa.table({"user_id": [1], "ts": pa.array([now - timedelta(hours=1)], pa.timestamp("us")), "amount": [7.0]})
    store = store_of(path, windows(data=recent))
    store.materialize(now)
    assert read(store, 1, features="sums", max_age="1h")["sum_amount_6h"] == [7.0]
    assert read(store, 1, features="sums")["sum_amount_6h"] == [7.0]


def contents(path: Path) -> list[Any]:
    """What the file holds, but for the numbers that name the tables of answers."""
    with closing(sqlite3.connect(path)) as connection:
        views = connection.execute("SELECT * FROM hitherto_views ORDER BY view").fetchall()
        answers = (f"SELECT * FROM hitherto_answers_{view[1]} ORDER BY key" for view in views)
        return [
            (view[0], view[2:], connection.execute(query).fetchall())
            for view, query in zip(views, answers, strict=True)
        ]


def test_materializing_twice_changes_nothing(path: Path) -> None:
    store = store_of(path, view(), windows())
    first = store.materialize(END)
    before = contents(path)
    assert store.materialize(END) == first
    assert contents(path) == before


def test_a_job_tells_what_became_of_every_view(path: Path) -> None:
    job = store_of(path, view(), windows()).materialize(END)
    assert {name: (result.status, result.rows, result.error) for name, result in job.views.items()} == {
        "last": ("done", 2, None),
        "sums": ("done", 2, None),
    }


@pytest.mark.parametrize("end", [END, "2024-01-02", "2024-01-02T01:00:00+01:00", date(2024, 1, 2)], ids=str)
def test_the_end_is_a_datetime_a_date_or_a_text(path: Path, end: Any) -> None:
    store = store_of(path, view())
    store.materialize(end)
    assert store.get_online_features("last", [{"user_id": 1}]).as_of == {"last": END}


def test_an_earlier_end_is_refused_and_changes_nothing(path: Path) -> None:
    store = store_of(path, view())
    store.materialize(END)
    before = contents(path)
    with pytest.raises(ht.StoreError) as raised:
        store.materialize(END - timedelta(hours=18))
    assert str(raised.value) == (
        "feature view 'last' is stored as of 2024-01-02 00:00:00, which is later than 2024-01-01 06:00:00; "
        "allow_rollback=True overwrites it"
    )
    assert contents(path) == before


def test_an_earlier_end_is_taken_where_it_is_allowed(path: Path) -> None:
    store = store_of(path, view())
    store.materialize(END)
    store.materialize(END - timedelta(hours=18), allow_rollback=True)
    assert read(store, 1)["amount"] == [1.0]


def test_a_view_that_fails_leaves_the_others_done_and_itself_as_it_was(path: Path) -> None:
    texts = EVENTS.append_column("code", pa.array(["x"] * 4))
    broken = view("broken", texts, columns={"number": "cast(code as bigint)"})
    store = store_of(path, broken, view())
    with pytest.raises(ht.EngineError, match="not a BIGINT") as raised:
        store.materialize(END)
    assert raised.value.__notes__ == [
        "materialize: view 'broken' failed, EngineError: feature view 'broken', Sorted: "
        "Invalid Input Error: cast: not a BIGINT: 'x'",
        "materialize: view 'last' done, 2 keys",
    ]
    assert read(store, 1)["amount"] == [2.0]
    with pytest.raises(ht.StoreError, match="feature view 'broken' is not in"):
        read(store, 1, features="broken")


def test_a_store_creates_its_file_at_the_first_write(path: Path) -> None:
    store = store_of(path, view())
    with pytest.raises(ht.StoreError, match=r"online.db does not exist yet: call store.materialize\(end\) first"):
        read(store, 1)
    assert not path.exists()
    store.materialize(END)
    assert path.exists()


def test_a_view_that_was_not_materialized_says_so(path: Path) -> None:
    store = store_of(path, view(), windows())
    store.materialize(END, views=["last"])
    with pytest.raises(ht.StoreError) as raised:
        read(store, 1, features="sums")
    assert str(raised.value) == f"feature view 'sums' is not in {path}: call store.materialize(end) first"


@pytest.mark.parametrize("call", ["materialize", "get_online_features"])
def test_a_store_without_an_online_store_shows_how_to_give_one(call: str) -> None:
    store = ht.FeatureStore([view()])
    with pytest.raises(ht.StoreError) as raised:
        store.materialize(END) if call == "materialize" else read(store, 1)
    assert str(raised.value) == (
        f"{call} needs an online store: FeatureStore(views, online_store=SqliteOnlineStore('online.db'))"
    )


def test_a_file_that_is_no_store_is_a_store_error(path: Path) -> None:
    path.write_text("hello, I am not a database at all" * 100)
    store = store_of(path, view())
    with pytest.raises(
        ht.StoreError, match=r"online store .*online\.db cannot be read: the file is not a SQLite database"
    ):
        read(store, 1)
    with pytest.raises(ht.StoreError, match=r"online\.db cannot be written: the file is not a SQLite database"):
        store.materialize(END)


def test_a_folder_that_is_missing_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(
        ht.StoreError, match=r"the online store .* cannot be written: the file cannot be opened; does its folder exist"
    ):
        store_of(tmp_path / "none" / "online.db", view()).materialize(END)


def test_the_path_of_a_store_is_resolved_when_it_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kept = ht.SqliteOnlineStore("online.db")
    monkeypatch.chdir("/")
    assert repr(kept) == f"SqliteOnlineStore('{tmp_path}/online.db')"


def test_a_store_from_outside_is_an_instance_of_a_class() -> None:
    class Memory(ht.OnlineStore):
        def write(self, view: Any, key_families: Any, batches: Any, as_of: Any, **more: Any) -> int:
            self.table = batches.read_all()
            return self.table.num_rows - 1

        def read(self, view: str, keys: Any) -> Any:
            raise ht.StoreError(view)

    memory = Memory()
    store = ht.FeatureStore([view()], online_store=memory)
    assert store.materialize(END).views["last"].rows == 2
    assert sorted(memory.table.to_pydict()["user_id"], key=str) == [1, 2, None]
    with pytest.raises(ht.StoreError, match="last"):
        read(store, 1)


KEY_COUNT = 60_000
WRITER = """
    import sys, hitherto as ht
    path, events, end = sys.argv[1:]
    source = ht.FileSource(events, timestamp_field="ts")
    view = ht.FeatureView("last", entities=["user_id"], source=source)
    store = ht.FeatureStore([view], online_store=ht.SqliteOnlineStore(path))
    store.materialize("2024-01-02")
    print("written", flush=True)
    store.materialize(end)
    print("again", flush=True)
"""


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """One value for every key on the first day, another on the third."""
    keys = [*range(KEY_COUNT)] * 2
    values = [1] * KEY_COUNT + [2] * KEY_COUNT
    moments = pa.concat_arrays([days(*[0] * KEY_COUNT), days(*[2] * KEY_COUNT)])
    pq.write_table(pa.table({"user_id": keys, "ts": moments, "value": values}), tmp_path / "events.parquet")
    return tmp_path / "events.parquet"


def writer(path: Path, events: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(WRITER), os.fspath(path), os.fspath(events), "2024-02-01"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def wait_for_the_second_write(path: Path, process: subprocess.Popen[str]) -> None:
    """Until it is well under way: SQLite keeps what a transaction changes in a file beside the database."""
    beside = [Path(f"{path}-journal"), Path(f"{path}-wal")]
    while process.poll() is None and not any(file.exists() and file.stat().st_size > 100_000 for file in beside):
        time.sleep(0.001)


def test_a_writer_that_is_killed_leaves_the_view_as_it_was(path: Path, events: Path) -> None:
    process = writer(path, events)
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    wait_for_the_second_write(path, process)
    process.send_signal(signal.SIGKILL)
    assert "again" not in process.communicate()[0]
    source = ht.FileSource(events, timestamp_field="ts")
    store = store_of(path, ht.FeatureView("last", entities=["user_id"], source=source))
    response = store.get_online_features("last", [{"user_id": key} for key in range(KEY_COUNT)])
    assert response.as_of == {"last": END}
    assert set(response.to_dict()["value"]) == {1}
    store.materialize("2024-02-01")
    assert set(read(store, *range(KEY_COUNT))["value"]) == {2}


def test_a_reader_sees_a_view_as_before_or_as_after_and_never_a_mix(path: Path) -> None:
    count = 3_000
    keys = [{"user_id": key} for key in range(count)]
    moments = pa.concat_arrays([days(*[0] * count), days(*[2] * count)])
    data = pa.table({"user_id": [*range(count)] * 2, "ts": moments, "value": [1] * count + [2] * count})
    store = store_of(path, view(data=data))
    store.materialize(END)
    seen: set[tuple[datetime, frozenset[int]]] = set()
    stop = threading.Event()

    def look() -> None:
        reader = store_of(path, view(data=data))
        while not stop.is_set():
            response = reader.get_online_features("last", keys)
            seen.add((response.as_of["last"], frozenset(response.to_dict()["value"])))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(8):
            store.materialize("2024-02-01")
            store.materialize(END, allow_rollback=True)
    finally:
        stop.set()
        thread.join()
    assert seen <= {(END, frozenset({1})), (datetime(2024, 2, 1, tzinfo=UTC), frozenset({2}))}


def test_many_views_of_one_source_are_stored_as_each_alone(tmp_path: Path) -> None:
    """More features than are kept side by side, of views whose features have the same names."""
    times = pa.array([10, 20, 30, 40, 50], pa.timestamp("us"))
    rows = pa.table({"user_id": [1, 2, 1, None, 2], "ts": times, "amount": [1, 2, 3, 4, 5]})
    source = ht.ArrowSource(rows, timestamp_field="ts")
    sums = [ht.Aggregation("amount", "sum", f"{length}us", name=f"s{length}") for length in range(10, 35)]
    views = [
        ht.FeatureView(f"v{number}", entities=["user_id"], source=source, aggregations=sums, filter=filter_)
        for number, filter_ in enumerate([None, None, None, None, None, "amount < 4"])
    ] + [ht.FeatureView("last", entities=["user_id"], source=source)]
    together, alone = (ht.SqliteOnlineStore(tmp_path / name) for name in ("together.db", "alone.db"))
    end = "1970-01-01T00:00:00.000055Z"
    job = ht.FeatureStore(views, online_store=together).materialize(end)
    assert [each.rows for each in job.views.values()] == [2] * 7
    for each in views:
        ht.FeatureStore([each], online_store=alone).materialize(end)
    keys = [{"user_id": key} for key in (1, 2, 3, None)]
    for each in views:
        found, expected = (
            ht.FeatureStore([each], online_store=kept).get_online_features(each.name, keys).to_dict()
            for kept in (together, alone)
        )
        assert found == expected
    assert found["amount"] == [3, 5, None, None]


def run_by_materialize(tmp_path: Path, caplog: pytest.LogCaptureFixture, *views: ht.FeatureView) -> list[str]:
    """The names of the statements that fill an online store."""
    caplog.clear()
    with caplog.at_level("INFO", "hitherto.statements"):
        ht.FeatureStore(list(views), online_store=ht.SqliteOnlineStore(tmp_path / "online.db")).materialize(END)
    return [record.getMessage().split(" ")[0].rstrip(":") for record in caplog.records]


def counts(name: str, data: pa.Table) -> ht.FeatureView:
    source = ht.ArrowSource(data, timestamp_field="ts", name="rows")
    return ht.FeatureView(name, entities=["k"], source=source, aggregations=[ht.Aggregation("*", "count", name=name)])


def test_known_keys_that_several_views_read_are_stored_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = pa.table({"k": [1, 2], "ts": pa.array([1, 2], pa.timestamp("us"))})
    statements = run_by_materialize(tmp_path, caplog, counts("a", rows), counts("b", rows))
    assert statements == ["spine_rows", "spine_keys", "spine_times", "key_numbers", "spine_rows", "a_b", "spine_rows"]


@pytest.mark.parametrize("keys", [pa.array([1, 2]), pa.array([1, 2], pa.timestamp("us"))])
def test_known_keys_are_shared_whatever_they_are_called(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, keys: pa.Array
) -> None:
    """A key is renamed where it is an instant, or where a feature of any view has its name."""
    rows = pa.table({"k": keys, "ts": pa.array([1, 2], pa.timestamp("us")), "other": [1, 2]})
    source = ht.ArrowSource(rows, timestamp_field="ts", name="rows")
    another = ht.FeatureView("c", entities=["other"], source=source, features=["k"])
    statements = run_by_materialize(tmp_path, caplog, counts("a", rows), counts("b", rows), another)
    assert statements[:3] == ["spine_rows", "spine_keys", "spine_times"]
