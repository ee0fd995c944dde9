"""Rows that Arrow reads for an index, instead of a statement: the same answers for every type, file and chunk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hitherto as ht
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hitherto.planner.dag.index import LoadNode
from hitherto.runtime import keys as keys_of_rows
from hitherto.runtime import loading

NOON = 1_704_110_400_000_000
INFINITE = 2**63 - 1


def texts(codes: Any) -> pa.Array:
    return pa.array([None if code is None else f"k{code}" for code in codes])


KEYS: dict[str, Callable[[list[int | None]], pa.Array]] = {
    **{name: (lambda codes, name=name: pa.array(codes, name)) for name in ("int8", "int32", "int64", "uint32")},
    "string": texts,
    "large_string": lambda codes: texts(codes).cast(pa.large_string()),
    "string_view": lambda codes: texts(codes).cast(pa.string_view()),
    "dictionary": lambda codes: texts(codes).dictionary_encode(),
    "binary": lambda codes: texts(codes).cast(pa.binary()),
}
TIMES: dict[str, Callable[[Any], pa.Array]] = {
    "us": lambda micros: pa.array(micros, pa.timestamp("us")),
    "zoned": lambda micros: pa.array(micros, pa.timestamp("us", "Asia/Tokyo")),
    # Half of them a nanosecond later, which is the next microsecond for a plan.
    "ns": lambda micros: pa.array(
        [None if m is None else m * 1_000 + number % 2 for number, m in enumerate(micros)], pa.timestamp("ns")
    ),
}


def rows(random: np.random.Generator, count: int, key: str, time: str) -> pa.Table:
    """Events around noon, many at one time, in several chunks; some without a key or a time, some infinitely late."""
    codes = [None if code == 6 else int(code) for code in random.integers(0, 7, count)]
    micros: list[int | None] = [int(NOON + each) for each in random.integers(-6, 7, count)]
    for number in range(0, count, 9):
        micros[number] = None
    if time == "us" and count > 1:
        micros[1] = INFINITE
    table = pa.table({
        "k": KEYS[key](codes),
        "l": pa.array([int(each) % 2 for each in random.integers(0, 4, count)]),
        "ts": TIMES[time](micros),
        "v": pa.array(random.integers(0, 5, count)),
        "w": pa.array([None if each > 8 else float(each) for each in random.integers(0, 10, count)], pa.float64()),
    })  # fmt: skip
    cut = count // 3
    return pa.concat_tables([table.slice(0, cut), table.slice(cut, 0), table.slice(cut)])


def spine(random: np.random.Generator, key: str) -> pa.Table:
    codes: list[int | None] = [*(int(each) for each in random.integers(0, 9, 80)), None]
    times = pa.array([int(NOON + each) for each in random.integers(-7, 9, 81)], pa.timestamp("us"))
    return pa.table({"k": KEYS[key](codes), "l": pa.array([i % 3 for i in range(81)]), "event_timestamp": times})


def views(source: ht.Source, keys: list[str]) -> list[ht.FeatureView]:
    sums = [ht.Aggregation("v", each, "5us") for each in ("sum", "last", "count_distinct")]
    return [
        ht.FeatureView("last", entities=keys, source=source, features=["v", "w"], ttl="4us"),
        ht.FeatureView("sums", entities=keys, source=source, aggregations=[*sums, ht.Aggregation("*", "count")]),
    ]


def differs(source: ht.Source, rows_: pa.Table, keys: list[str]) -> bool:
    """Whether the index has another answer than SQL; the index has to have read the rows itself."""
    given = views(source, keys)
    forms = [
        {"last": "EventIndexLatest", "sums": "EventIndexWindows"},
        {"last": "NarrowAsof", "sums": "BucketedWindows"},
    ]
    answers = []
    for form in forms:
        store = ht.FeatureStore(given, planner_options=ht.PlannerOptions(forms=form))
        job = store.get_historical_features(rows_, given, full_feature_names=True)
        loads = [node for node in job._planned.pieces.nodes if isinstance(node, LoadNode)]
        is_indexed = form["last"].startswith("EventIndex")
        assert {node.load.row is None for node in loads} == ({True, False} if is_indexed else set())
        answers.append(job.to_arrow())
    return not answers[0].equals(answers[1])


def combinations(keys: list[str]) -> list[Any]:
    """Each key with each time; the fast tier has every one of both."""
    pairs = [(key, time) for key in keys for time in TIMES]
    fast = {(key, time) for key, time in pairs if time == "us" or key == "string"}
    return [pytest.param(*pair, marks=() if pair in fast else pytest.mark.deep) for pair in pairs]


@pytest.mark.parametrize(("key", "time"), combinations(list(KEYS)))
def test_tables_in_memory_are_read_as_sql_reads_them(key: str, time: str) -> None:
    random = np.random.default_rng(len(key) + len(time))
    for count, keys in ((60, ["k"]), (60, ["k", "l"]), (1, ["k"]), (60, ["l"])):
        source = ht.ArrowSource(rows(random, count, key, time), timestamp_field="ts")
        assert not differs(source, spine(random, key), keys)


@pytest.mark.parametrize(("key", "time"), combinations([key for key in KEYS if key != "string_view"]))
def test_parquet_files_are_read_as_sql_reads_them(
    key: str, time: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two row groups at a time, and all at once."""
    random = np.random.default_rng(len(key))
    for number, count in enumerate((60, 20, 0)):
        pq.write_table(rows(random, count, key, time), tmp_path / f"{number}.parquet", row_group_size=7)
    source = ht.FileSource(tmp_path / "*.parquet", timestamp_field="ts")
    assert not differs(source, spine(random, key), ["k"])
    monkeypatch.setattr(loading, "_PIECE", 10)
    assert not differs(source, spine(random, key), ["k"])


LEAST, MOST = -(2**63), 2**63 - 1
NEAR = [
    ([5, 7, 5, None, 6], [7, 4, 8, 5, None, LEAST, MOST]),
    ([LEAST, LEAST + 2, None], [MOST, LEAST, LEAST + 1, LEAST + 2, 0, -1]),
    ([MOST, MOST - 2], [LEAST, MOST, MOST - 1, MOST - 2, 0, None]),
    ([-1, 0, 1], [-2, -1, 0, 1, 2, None]),
    ([None, None], [None, 1]),
    ([LEAST, MOST], [0, LEAST, MOST]),
    ([3], []),
]


@pytest.mark.parametrize("far", [0, 4], ids=["by hash", "by place"])
@pytest.mark.parametrize(("known", "asked"), NEAR)
def test_integers_are_found_by_hash_or_by_place(
    known: list[int | None], asked: list[int | None], far: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events' keys among those of the entity rows, also at the ends of what 64 bits hold, and narrower ones."""
    monkeypatch.setattr(keys_of_rows, "FAR", far)
    time = pa.array([NOON] * len(asked), pa.timestamp("us"))
    for type_ in (pa.int64(), pa.int8()):
        if type_ != pa.int64() and any(each is not None and abs(each) > 100 for each in asked):
            continue
        keys = pa.chunked_array([pa.array(asked[:2], type_), pa.array(asked[2:2], type_), pa.array(asked[2:], type_)])
        events = pa.table({"k": keys, "ts": time, "v": pa.array(range(len(asked)))})
        view = ht.FeatureView("last", entities=["k"], source=ht.ArrowSource(events, timestamp_field="ts"))
        at = pa.array([NOON] * len(known), time.type)
        asking = pa.table({"k": pa.array(known, pa.int64()), "event_timestamp": at})
        indexed = ht.PlannerOptions(forms={"last": "EventIndexLatest"})
        found = ht.FeatureStore([view], planner_options=indexed).get_historical_features(asking, view).to_arrow()
        assert found["v"].to_pylist() == [
            None if each is None or each not in asked else asked.index(each) for each in known
        ]


SPINES: dict[str, Callable[[pa.Table], pa.Table]] = {
    "no rows": lambda rows: rows.slice(0, 0),
    "chunks": lambda rows: pa.concat_tables([rows.slice(0, 7), rows.slice(7, 0), rows.slice(7)]),
    "no key": lambda rows: rows.set_column(0, "k", pa.nulls(len(rows), pa.int64())),
    "narrow keys": lambda rows: rows.set_column(0, "k", rows["k"].cast(pa.int16())),
    "float keys": lambda rows: rows.set_column(0, "k", rows["k"].cast(pa.float64())),
    "unsigned keys": lambda rows: rows.set_column(0, "k", rows["k"].cast(pa.uint32())),
    "keys without a type": lambda rows: rows.set_column(0, "k", pa.nulls(len(rows))),
    "seconds": lambda rows: rows.set_column(2, "event_timestamp", rows["event_timestamp"].cast("timestamp[s]", False)),
    "nanoseconds": lambda rows: rows.set_column(
        # Half of them a nanosecond before the next microsecond.
        2,
        "event_timestamp",
        pa.array([us * 1_000 + n % 2 * 999 for n, us in enumerate(micros(rows))], pa.timestamp("ns")),
    ),
    "a zone": lambda rows: rows.set_column(
        2, "event_timestamp", rows["event_timestamp"].cast(pa.timestamp("us", "America/New_York"))
    ),
    "before 1970": lambda rows: rows.set_column(
        2, "event_timestamp", pa.array([us - 2 * NOON for us in micros(rows)], pa.timestamp("us"))
    ),
    "repeated rows": lambda rows: pa.concat_tables([rows, rows, rows.slice(3, 1)]),
}


def micros(rows: pa.Table) -> list[int]:
    return rows["event_timestamp"].cast(pa.int64()).to_pylist()


@pytest.mark.parametrize("filter_", [None, "v < 5"], ids=["events that Arrow reads", "events that SQL reads"])
@pytest.mark.parametrize("form", SPINES)
def test_entity_rows_of_any_form_are_read_as_sql_reads_them(form: str, filter_: str | None) -> None:
    random = np.random.default_rng(len(form))
    source = ht.ArrowSource(rows(random, 60, "int64", "us"), timestamp_field="ts")
    for keys in (["k"], ["l", "k"]):
        given = [
            ht.FeatureView("last", entities=keys, source=source, features=["v", "w"], filter=filter_, ttl="4us"),
            ht.FeatureView("sums", entities=keys, source=source, aggregations=[ht.Aggregation("v", "sum", "5us")]),
        ]
        asked = SPINES[form](spine(random, "int64"))
        in_sql = {"last": "NarrowAsof", "sums": "BucketedWindows"}
        indexed = {"last": "EventIndexLatest", "sums": "EventIndexWindows"}
        slow, fast = (
            ht.FeatureStore(given, planner_options=ht.PlannerOptions(forms=forms)).get_historical_features(
                asked, given, full_feature_names=True
            )
            for forms in (in_sql, indexed)
        )
        assert fast.to_arrow().equals(slow.to_arrow())


def test_a_job_that_arrow_reads_opens_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    source = ht.ArrowSource(rows(np.random.default_rng(1), 60, "string", "us"), timestamp_field="ts")
    plain = ht.FeatureView("last", entities=["k"], source=source, features=["v", "w"], ttl="4us")
    asked = spine(np.random.default_rng(2), "string")
    in_sql = ht.PlannerOptions(forms={"last": "NarrowAsof"})
    wanted = ht.FeatureStore([plain], planner_options=in_sql).get_historical_features(asked, plain).to_arrow()

    def refused(self: ht.LocalComputeEngine) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr(ht.LocalComputeEngine, "_opened", refused)
    engine = ht.LocalComputeEngine()
    found = ht.FeatureStore([plain], engine=engine).get_historical_features(asked, plain).to_arrow()
    assert found.equals(wanted)
    engine.close()
    with pytest.raises(ht.EngineError, match="is closed"):
        ht.FeatureStore([plain], engine=engine).get_historical_features(asked, plain).to_arrow()


def test_row_groups_outside_of_the_times_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = [NOON + each * 10 for each in range(100)]
    table = pa.table({"k": [1] * 100, "ts": pa.array(times, pa.timestamp("us")), "v": range(100)})
    pq.write_table(table, tmp_path / "events.parquet", row_group_size=10)
    asked: list[list[int]] = []
    read = pq.ParquetFile.read_row_groups

    def noted(self: Any, groups: list[int], **options: Any) -> pa.Table:
        asked.append(list(groups))
        return read(self, groups, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", noted)
    source = ht.FileSource(tmp_path / "events.parquet", timestamp_field="ts")
    last = ht.FeatureView("last", entities=["k"], source=source, ttl="5us")
    # The last of a group is at 90, the first of the next one at 100.
    for at, expected, groups in (
        (95, 9, [0]),
        (96, None, []),
        (99, None, []),
        (100, 10, [1]),
        (105, 10, [1]),
        (106, None, [1]),
    ):
        asked.clear()
        asking = pa.table({"k": [1], "event_timestamp": pa.array([NOON + at], pa.timestamp("us"))})
        found = ht.FeatureStore([last]).get_historical_features(asking, last).to_arrow()
        assert (found["v"].to_pylist(), [each for part in asked for each in part]) == ([expected], groups)


def test_a_file_that_was_changed_is_a_source_error(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    table = pa.table({"k": [1], "ts": pa.array([NOON], pa.timestamp("us")), "v": [1]})
    pq.write_table(table, path)
    last = ht.FeatureView("last", entities=["k"], source=ht.FileSource(path, timestamp_field="ts"))
    asking = pa.table({"k": [1], "event_timestamp": pa.array([NOON], pa.timestamp("us"))})
    job = ht.FeatureStore([last]).get_historical_features(asking, last)
    assert job.to_arrow()["v"].to_pylist() == [1]
    pq.write_table(table.rename_columns(["k", "ts", "x"]), path)
    with pytest.raises(ht.SourceError, match="has changed since the job was made"):
        job.to_arrow()
    path.unlink()
    with pytest.raises(ht.SourceError, match=r"events\.parquet cannot be read as parquet any more"):
        job.to_arrow()


def test_views_that_are_answered_at_once_do_not_disturb_each_other() -> None:
    """They share spines, sorted rows and what was made of columns, in several threads."""
    random = np.random.default_rng(5)
    sources = [ht.ArrowSource(rows(random, 3_000, "int64", "us"), timestamp_field="ts") for _ in range(3)]
    given: list[ht.FeatureView] = []
    for number, source in enumerate(sources * 4):
        window = None if number % 2 else f"{number + 2}us"
        kinds = ("sum", "median", "count_distinct", "last")
        sums = [ht.Aggregation("v", each, window, name=f"{each}_{number}") for each in kinds]
        given.append(ht.FeatureView(f"sums_{number}", entities=["k"], source=source, aggregations=sums))
        given.append(ht.FeatureView(f"last_{number}", entities=["k", "l"], source=source, ttl=f"{number + 1}us"))
    asked = pa.concat_tables([spine(random, "int64")] * 20)
    in_sql = {view.name: "BucketedWindows" if view.aggregations else "NarrowAsof" for view in given}
    slow, fast = (ht.FeatureStore(given, planner_options=ht.PlannerOptions(forms=forms)) for forms in (in_sql, {}))
    wanted = slow.get_historical_features(asked, given, full_feature_names=True).to_arrow()
    job = fast.get_historical_features(asked, given, full_feature_names=True)
    assert all(choice["form"].startswith("EventIndex") for choice in job.explain("physical").to_dict()["choices"])
    for _ in range(4):
        assert job.to_arrow().equals(wanted)


def test_a_file_that_is_written_between_two_reads_is_a_source_error(tmp_path: Path) -> None:
    """Times are found in the one file, and the features of these times would be looked for in the other."""
    path = tmp_path / "events.parquet"
    table = pa.table({"k": [1], "ts": pa.array([NOON], pa.timestamp("us")), "v": [1]})
    pq.write_table(table, path)
    last = ht.FeatureView("last", entities=["k"], source=ht.FileSource(path, timestamp_field="ts"))
    asking = pa.table({"k": [1], "event_timestamp": pa.array([NOON + 5], pa.timestamp("us"))})
    engine, forms = ht.LocalComputeEngine(), ht.PlannerOptions(forms={"last": "EventIndexThenFetch"})
    task = ht.FeatureStore([last], engine=engine, planner_options=forms).get_historical_features(asking, last)._task
    later = table.set_column(1, "ts", pa.array([NOON + 1], pa.timestamp("us")))

    def written(event: ht.Event) -> None:
        if isinstance(event, ht.Finished) and event.statement.sql.startswith("-- searched"):
            pq.write_table(later, path)

    reading = engine.stream(task, observer=written)
    with pytest.raises(ht.SourceError, match=r"events\.parquet was written while the job read it"), reading as reader:
        reader.read_all()
    with engine.stream(task) as reader:
        assert reader.read_all()["v"].to_pylist() == [1]


def test_keys_are_made_ready_once_for_many_small_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To look up a few rows costs as much as there are keys."""
    random = np.random.default_rng(3)
    for number in range(30):
        pq.write_table(rows(random, 20, "string", "us"), tmp_path / f"{number}.parquet", row_group_size=3)
    asked: list[int] = []
    numbers = keys_of_rows.Keys.numbers

    def noted(self: keys_of_rows.Keys, columns: Any, count: int) -> Any:
        asked.append(count)
        return numbers(self, columns, count)

    monkeypatch.setattr(keys_of_rows.Keys, "numbers", noted)
    source = ht.FileSource(tmp_path / "*.parquet", timestamp_field="ts")
    assert not differs(source, spine(random, "string"), ["k"])
    assert sorted(asked) == [0, 81, 600]


def test_a_column_that_only_a_file_without_rows_has_is_null(tmp_path: Path) -> None:
    moment = pa.array([NOON], pa.timestamp("us"))
    table = pa.table({"k": [1], "ts": moment, "v": [1], "w": [2.0]})
    pq.write_table(table.slice(0, 0), tmp_path / "0.parquet")
    pq.write_table(table.drop_columns(["w"]), tmp_path / "1.parquet")
    source = ht.FileSource(tmp_path / "*.parquet", timestamp_field="ts")
    last = ht.FeatureView("last", entities=["k"], source=source, features=["v", "w"])
    asking = pa.table({"k": [1], "event_timestamp": moment})
    for form in ("EventIndexLatest", "NarrowAsof"):
        store = ht.FeatureStore([last], planner_options=ht.PlannerOptions(forms={"last": form}))
        found = store.get_historical_features(asking, last).to_arrow()
        assert found.schema.field("w").type == pa.float64()
        assert found.select(["v", "w"]).to_pylist() == [{"v": 1, "w": None}]
