"""Entity rows, files, options and stores that are wrong: each is told as what it is, with the way out."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import hitherto as ht
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest


def us(*times: int | None) -> pa.Array:
    return pa.array(times, pa.timestamp("us"))


DATA = pa.table({"user_id": [1, 1, 2], "ts": us(10, 20, 10), "amount": [1.0, 2.0, 3.0], "code": ["a", "b", "c"]})
SPINE = pa.table({"user_id": [1, 2, 3], "t": us(15, 15, 15)})


def view(name: str = "spend", source: ht.Source | None = None, **changes: Any) -> ht.FeatureView:
    given: dict[str, Any] = {
        "entities": ["user_id"],
        "source": source or ht.ArrowSource(DATA, timestamp_field="ts"),
        "features": ["amount"],
    }
    return ht.FeatureView(name, **given | changes)


def job(spine: Any = SPINE, *views: ht.FeatureView, **options: Any) -> ht.RetrievalJob:
    used = list(views) or [view()]
    return ht.FeatureStore(used).get_historical_features(spine, used, **options)


def from_files(path: Any) -> ht.RetrievalJob:
    return job(SPINE, view(source=ht.FileSource(path, timestamp_field="ts")))


WRONG_SPINES: dict[str, tuple[Any, dict[str, Any], str]] = {
    "a number": (
        5,
        {},
        "entity rows: int is not tabular; give pandas, Polars or Arrow data, a path, a FileSource or a query",
    ),
    "a dictionary": (
        {"user_id": [1]},
        {},
        "entity rows: dict is not tabular; give pandas, Polars or Arrow data, a path, a FileSource or a query",
    ),
    "a file that is missing": ("/no/such.parquet", {}, "entity rows: there is no file /no/such.parquet"),
    "repeated columns": (
        pa.Table.from_arrays([pa.array([1]), pa.array([1]), us(1)], names=["user_id", "user_id", "t"]),
        {},
        "entity rows: repeated column names: user_id",
    ),
    "columns that differ by case": (
        SPINE.append_column("USER_ID", SPINE["user_id"]),
        {},
        "entity rows: columns 'user_id' and 'USER_ID' differ only by case, which engines ignore",
    ),
    "no timestamp column": (
        SPINE.drop(["t"]),
        {},
        "entity rows: no timestamp column; name one with entity_timestamp=\n  columns: user_id",
    ),
    "several timestamp columns": (
        SPINE.append_column("t2", SPINE["t"]),
        {},
        "entity rows: several timestamp columns, t, t2; name one with entity_timestamp=\n  columns: user_id, t, t2",
    ),
    "a timestamp column that is not there": (
        SPINE.rename_columns(["user_id", "asked_at"]),
        {"entity_timestamp": "asked_att"},
        "entity rows: no timestamp column 'asked_att'\n  columns: user_id, asked_at\n  did you mean 'asked_at'?",
    ),
    "a timestamp column of numbers": (
        SPINE,
        {"entity_timestamp": "user_id"},
        "entity rows: timestamp 'user_id' is int64, not a timestamp or date\n  make it one: "
        "pandas.to_datetime(…, unit='s'), or to_timestamp(user_id) in a query (Spark: timestamp_seconds(user_id)); "
        "milliseconds are unit='ms', epoch_ms and timestamp_millis",
    ),
    "an event_timestamp of texts": (
        SPINE.append_column("event_timestamp", pa.array(["2024-01-01"] * 3)),
        {},
        "entity rows: timestamp 'event_timestamp' is string, not a timestamp or date\n  make it one: "
        "pandas.to_datetime, a cast in a query, or for csv and json a FileSource with "
        "schema={'event_timestamp': 'timestamp[us]'}, which tells the first text that is no ISO time",
    ),
    "null timestamps": (
        SPINE.set_column(1, "t", us(1, None, None)),
        {},
        "entity rows: timestamp 't' is null in 2 of 3 rows, first in row 1; drop or fill them",
    ),
    "a pandas NaT": (
        pd.DataFrame({"user_id": [1, 2], "t": [pd.Timestamp(0), pd.NaT]}),
        {},
        "entity rows: timestamp 't' is null in 1 of 2 rows, first in row 1; drop or fill them",
    ),
    "no key": (
        SPINE.rename_columns(["user", "t"]),
        {},
        "entity rows, for feature view 'spend': no key column 'user_id'\n  columns: user, t\n  did you mean 'user'?",
    ),
    "a key of another type": (
        SPINE.set_column(0, "user_id", pa.array(["1", "2", "3"])),
        {},
        "entity rows, for feature view 'spend': key 'user_id' is string, but int64 in 'arrow'",
    ),
    "a key of booleans": (
        SPINE.set_column(0, "user_id", pa.array([True, False, True])),
        {},
        "entity rows, for feature view 'spend': key 'user_id' is bool, but int64 in 'arrow'",
    ),
    "a key of fractions": (
        SPINE.set_column(0, "user_id", pa.array([1.5, 2.0, 3.0])),
        {},
        "entity rows, for feature view 'spend': key 'user_id' is float64; cast it to an integer or a string",
    ),
    "a key of an infinity": (
        SPINE.set_column(0, "user_id", pa.array([1.0, math.inf, 3.0])),
        {},
        "entity rows, for feature view 'spend': key 'user_id' is float64; cast it to an integer or a string",
    ),
    "a key beyond int64": (
        SPINE.set_column(0, "user_id", pa.array([1.0, 1e300, 3.0])),
        {},
        "entity rows, for feature view 'spend': key 'user_id' is float64; cast it to an integer or a string",
    ),
    "a key of float32": (
        SPINE.set_column(0, "user_id", pa.array([1, 2, 3], pa.float32())),
        {},
        "entity rows, for feature view 'spend': key 'user_id' is float32; cast it to an integer or a string",
    ),
    "a column called like a feature": (
        SPINE.append_column("Amount", SPINE["user_id"]),
        {},
        "entity rows: column 'Amount' and feature spend:amount have one name; "
        "use full_feature_names=True, or rename the column",
    ),
}


@pytest.mark.parametrize(("spine", "options", "message"), WRONG_SPINES.values(), ids=WRONG_SPINES)
def test_wrong_entity_rows_are_told_when_the_job_is_made(spine: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ht.SpineError) as raised:
        job(spine, **options)
    assert str(raised.value) == message


def test_all_problems_of_the_entity_rows_come_at_once() -> None:
    spine = pa.table({"user_id": [1.5], "note": ["x"]})
    with pytest.raises(ht.SpineError) as raised:
        job(spine, view(), view("codes", entities=["code"]), full_feature_names=True, entity_timestamp="t")
    assert [line for line in str(raised.value).splitlines() if line.startswith("entity rows")] == [
        "entity rows: no timestamp column 't'",
        "entity rows, for feature view 'spend': key 'user_id' is float64; cast it to an integer or a string",
        "entity rows, for feature view 'codes': no key column 'code'",
    ]


def test_event_timestamp_is_taken_before_other_timestamp_columns() -> None:
    spine = SPINE.append_column("event_timestamp", us(5, 25, 25))
    assert job(spine).to_arrow()["amount"].to_pylist() == [None, 3.0, None]


def test_whole_number_floats_with_nan_are_integer_keys_and_come_back_untouched() -> None:
    spine = pd.DataFrame({"user_id": [1.0, math.nan, 2.0], "t": SPINE["t"].to_pandas()})
    table = job(spine).to_arrow()
    assert table["amount"].to_pylist() == [1.0, None, 3.0]
    assert table["user_id"].type == pa.float64()


def test_a_key_that_is_null_throughout_matches_nothing() -> None:
    assert job(SPINE.set_column(0, "user_id", pa.nulls(3))).to_arrow()["amount"].to_pylist() == [None] * 3


def test_a_decimal_key_may_be_narrower_than_the_source_has_it_and_not_wider() -> None:
    def keys(type_: pa.DataType) -> pa.Array:
        return pa.array([Decimal("1.5"), None]).cast(type_)

    data = pa.table({"k": keys(pa.decimal128(9, 2)), "ts": us(0, 0), "x": [7, 8]})
    made = ht.FeatureView("v", entities=["k"], source=ht.ArrowSource(data, timestamp_field="ts"))
    for type_ in (pa.decimal128(2, 1), pa.decimal128(9, 2), pa.decimal128(8, 1)):
        rows = pa.table({"k": keys(type_), "t": us(1, 1)})
        answer = ht.FeatureStore([made]).get_historical_features(rows, made).to_arrow()
        assert answer["x"].to_pylist() == [7, None]
        assert answer["k"] == rows["k"]
    for type_ in (pa.decimal128(10, 2), pa.decimal128(9, 3)):
        with pytest.raises(ht.SpineError, match=r"key 'k' is decimal\(.*\), but decimal\(9, 2\) in"):
            ht.FeatureStore([made]).get_historical_features(pa.table({"k": keys(type_), "t": us(1, 1)}), made)


def test_an_unsigned_key_beyond_int64_is_an_error_about_the_entity_rows() -> None:
    spine = SPINE.set_column(0, "user_id", pa.array([1, 2**63, 2], pa.uint64()))
    with pytest.raises(ht.HithertoError, match="user_id") as raised:
        job(spine).to_arrow()
    assert "feature view 'spine_rows'" not in str(raised.value)


FAR = {
    "microseconds": pa.array([2**63 - 1], pa.timestamp("us")),
    "before all": pa.array([-(2**63) + 1], pa.timestamp("us")),
    "seconds": pa.array([9_000_000_000_000], pa.timestamp("s")),
    "days": pa.array([2**31 - 1], pa.int32()).cast(pa.date32()),
}


@pytest.mark.parametrize("times", FAR.values(), ids=FAR)
def test_a_time_beyond_all_calendars_is_a_spine_error(times: pa.Array) -> None:
    with pytest.raises(ht.SpineError, match="timestamp 't' holds an infinity or a time beyond all calendars"):
        job(pa.table({"user_id": [1], "t": times}), entity_timestamp="t")


def test_a_pandas_column_of_mixed_types_is_told_as_ours() -> None:
    mixed = pd.Series([1, "a"], dtype=object)
    frame = pd.DataFrame({"user_id": mixed, "t": pd.to_datetime([1, 2], unit="us")})
    with pytest.raises(ht.SpineError, match="user_id"):
        job(frame)
    with pytest.raises(ht.HithertoError, match="user_id"):
        ht.ArrowSource(frame, timestamp_field="t")


def test_a_pandas_series_is_no_table() -> None:
    series = pd.Series([1])
    with pytest.raises(ht.SpineError, match="Series is not tabular"):
        job(series)
    with pytest.raises(ht.DefinitionError, match="Series is not tabular"):
        ht.ArrowSource(series, timestamp_field="t")


def test_a_lazy_frame_of_polars_is_collected_and_its_error_is_ours() -> None:
    lazy = pl.from_arrow(SPINE).lazy()  # type: ignore[union-attr]
    assert job(lazy).to_arrow().num_rows == SPINE.num_rows
    with pytest.raises(ht.SpineError, match=r"entity rows: cannot be read as a table: ColumnNotFoundError: .*nowhere"):
        job(lazy.select("nowhere"))


def test_a_column_that_the_engine_cannot_read_is_told_as_ours() -> None:
    wide = DATA.append_column("wide", pa.array([1, 2, 3]).cast(pa.decimal256(50, 2)))
    with pytest.raises(ht.HithertoError, match=r"spend(.|\n)*wide|Decimal"):
        job(SPINE, view(source=ht.ArrowSource(wide, timestamp_field="ts"), features=["wide"])).to_arrow()


def test_an_entity_file_that_is_not_parquet_says_so(tmp_path: Path) -> None:
    path = tmp_path / "spine.parquet"
    path.write_text("user_id,t\n")
    with pytest.raises(ht.SpineError, match=rf"entity rows: {path} cannot be read as parquet: "):
        job(path)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ht.SourceError, match=rf"there is no file {tmp_path}/tx.parquet"):
        from_files(tmp_path / "tx.parquet")


def test_an_empty_glob_says_so(tmp_path: Path) -> None:
    with pytest.raises(ht.SourceError, match="no file matches"):
        from_files(tmp_path / "*.parquet")


def test_a_folder_says_how_to_write_a_glob(tmp_path: Path) -> None:
    with pytest.raises(ht.SourceError, match=rf"{tmp_path} is a folder; give a glob such as {tmp_path}/\*.parquet"):
        from_files(tmp_path)


@pytest.mark.parametrize("content", [b"", b"user_id,ts\n1,2\n"], ids=["empty", "text"])
def test_a_file_that_is_not_parquet_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tx.parquet").write_bytes(content)
    with pytest.raises(ht.SourceError, match=r"tx\.parquet cannot be read as parquet: "):
        from_files(tmp_path / "tx.parquet")


@pytest.mark.parametrize(
    ("other", "ours", "theirs"),
    [(pa.array([True, False, None]), "float64", "bool"), (pa.array(["a", "b", "c"]), "float64", "string")],
)
def test_files_with_a_column_of_other_types_name_both(tmp_path: Path, other: pa.Array, ours: str, theirs: str) -> None:
    pq.write_table(DATA, tmp_path / "a.parquet")
    pq.write_table(DATA.set_column(2, "amount", other), tmp_path / "b.parquet")
    with pytest.raises(ht.SourceError) as raised:
        from_files(tmp_path / "*.parquet")
    assert str(raised.value) == (
        f"source '{tmp_path.name}': column 'amount' is {ours} in {tmp_path}/a.parquet, and {theirs} in "
        f"{tmp_path}/b.parquet; files may differ by the width of numbers and the unit of timestamps alone"
    )


def test_a_file_with_repeated_columns_says_so(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([*DATA.columns, DATA["ts"]], names=[*DATA.column_names, "ts"])
    pq.write_table(table, tmp_path / "tx.parquet")
    with pytest.raises(ht.SourceError, match=r"source 'tx': .*tx.parquet: repeated column names: ts"):
        from_files(tmp_path / "tx.parquet")


def test_a_file_that_vanishes_before_the_run_is_named(tmp_path: Path) -> None:
    pq.write_table(DATA, tmp_path / "tx.parquet")
    lazy = from_files(tmp_path / "tx.parquet")
    os.unlink(tmp_path / "tx.parquet")
    with pytest.raises(ht.SourceError, match=r"tx\.parquet cannot be read as parquet any more: .*No such file"):
        lazy.to_arrow()


ENGINES: dict[str, tuple[Callable[[], Any], str]] = {
    "no threads": (lambda: ht.LocalComputeEngine(threads=0), "LocalComputeEngine: threads=0; give at least 1"),
    "threads of a connection": (
        lambda: ht.LocalComputeEngine(connection=duckdb.connect(), threads=2),
        "LocalComputeEngine: threads cannot be given with connection=: set it there",
    ),
    "everything of a connection": (
        lambda: ht.LocalComputeEngine(
            "my.db", connection=duckdb.connect(), threads=2, memory_limit="1GB", temp_directory="/tmp"
        ),
        "LocalComputeEngine: memory_limit, threads, temp_directory, database cannot be given with connection=: "
        "set it there",
    ),
}


@pytest.mark.parametrize(("make", "message"), ENGINES.values(), ids=ENGINES)
def test_a_wrong_engine_is_a_definition_error(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ht.DefinitionError) as raised:
        make()
    assert str(raised.value) == message


def test_a_database_that_cannot_be_opened_is_an_engine_error() -> None:
    store = ht.FeatureStore([view()], engine=ht.LocalComputeEngine("/no/such/folder/my.db"))
    with pytest.raises(ht.EngineError, match=r"/no/such/folder/my\.db"):
        store.get_historical_features(SPINE, ["spend"]).to_arrow()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"level": "logic"},
            "explain: no level 'logic'\n  levels: all, dag, logical, optimized, physical, sql\n"
            "  did you mean 'logical'?",
        ),
        ({"format": "jsn"}, "explain: no format 'jsn'\n  formats: text, json\n  did you mean 'json'?"),
    ],
    ids=["level", "format"],
)
def test_an_unknown_level_or_format_of_explain_says_which_there_are(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ht.DefinitionError) as raised:
        job().explain(**options)
    assert str(raised.value) == message


def test_a_parquet_file_in_a_folder_that_is_missing_says_so() -> None:
    with pytest.raises(ht.HithertoError, match="to_parquet: there is no folder /no/such"):
        job().to_parquet("/no/such/answer.parquet")


def test_a_parquet_file_in_place_of_a_folder_is_an_error_of_ours(tmp_path: Path) -> None:
    target = tmp_path / "answer"
    target.mkdir()
    with pytest.raises(ht.HithertoError, match="answer"):
        job().to_parquet(target)
    assert os.listdir(tmp_path) == ["answer"]


@pytest.fixture
def stored(tmp_path: Path) -> ht.FeatureStore:
    store = ht.FeatureStore([view()], online_store=ht.SqliteOnlineStore(tmp_path / "online.db"))
    store.materialize("2024-01-01")
    return store


WRONG_MATERIALIZATIONS: dict[str, tuple[Callable[[ht.FeatureStore], Any], str]] = {
    "end": (
        lambda store: store.materialize("soon"),
        "materialize: end: 'soon' is not an instant: write it like '2024-01-31T18:00:00+00:00'",
    ),
    "end that is a number": (
        lambda store: store.materialize(5),  # type: ignore[arg-type]
        "materialize: end: 5 is not an instant: give a datetime or an ISO text",
    ),
    "views of one string": (
        lambda store: store.materialize("2024-01-01", views="spend"),
        "materialize: views is a single string, 'spend'; give a list",
    ),
    "view": (
        lambda store: store.materialize("2024-01-01", views=["spned"]),
        "materialize: no feature view 'spned'\n  views: spend\n  did you mean 'spend'?",
    ),
}


@pytest.mark.parametrize(("call", "message"), WRONG_MATERIALIZATIONS.values(), ids=WRONG_MATERIALIZATIONS)
def test_a_wrong_materialization_says_what_is_wrong(
    stored: ht.FeatureStore, call: Callable[[ht.FeatureStore], Any], message: str
) -> None:
    with pytest.raises(ht.DefinitionError) as raised:
        call(stored)
    assert str(raised.value) == message


def test_materialize_says_that_views_are_names(stored: ht.FeatureStore) -> None:
    with pytest.raises(ht.DefinitionError, match="materialize"):
        stored.materialize("2024-01-01", views=[view()])  # type: ignore[list-item]


def test_two_uses_of_different_views_under_one_stored_name_are_refused(tmp_path: Path) -> None:
    views = [view().with_name("a"), view(ttl="1d").with_name("b")]
    store = ht.FeatureStore(views, online_store=ht.SqliteOnlineStore(tmp_path / "online.db"))
    with pytest.raises(ht.DefinitionError, match="materialize: two views are called 'spend' in the store"):
        store.materialize("2024-01-01")


def test_every_entity_row_without_a_key_is_told(stored: ht.FeatureStore) -> None:
    with pytest.raises(ht.SpineError) as raised:
        stored.get_online_features(["spend"], [{"user": 1}, {"user_id": 1}, {}])
    assert str(raised.value) == "entity_rows: row 0 has no key 'user_id'\nentity_rows: row 2 has no key 'user_id'"


@pytest.mark.parametrize("rows", [{"user_id": 1}, SPINE.to_pandas(), [7], 7], ids=["dict", "pandas", "ints", "int"])
def test_online_entity_rows_are_a_list_of_dictionaries(stored: ht.FeatureStore, rows: Any) -> None:
    with pytest.raises(ht.SpineError, match=r"entity_rows.*dictionar"):
        stored.get_online_features(["spend"], rows)


@pytest.mark.parametrize("key", ["1", True, b"1", datetime(1970, 1, 1, tzinfo=UTC)], ids=type)
def test_an_online_key_of_another_type_is_refused_as_in_a_retrieval(stored: ht.FeatureStore, key: Any) -> None:
    with pytest.raises(ht.SpineError, match="user_id"):
        stored.get_online_features(["spend"], [{"user_id": key}])


@pytest.mark.parametrize("key", [1.5, [1], {"a": 1}], ids=type)
def test_an_online_key_that_cannot_be_one_is_refused(stored: ht.FeatureStore, key: Any) -> None:
    with pytest.raises(ht.SpineError, match=r"which cannot be a key"):
        stored.get_online_features(["spend"], [{"user_id": key}])


def test_a_feature_that_is_not_stored_is_told_with_the_nearest_name(stored: ht.FeatureStore) -> None:
    with pytest.raises(ht.UnknownColumnError) as raised:
        stored.get_online_features(["spend:amuont"], [{"user_id": 1}])
    assert str(raised.value) == (
        "feature view 'spend' has no stored feature 'amuont'\n  features: amount\n  did you mean 'amount'?"
    )


def test_a_max_age_in_months_is_refused(stored: ht.FeatureStore) -> None:
    with pytest.raises(ht.DefinitionError, match="months and years have no fixed length"):
        stored.get_online_features(["spend"], [{"user_id": 1}], max_age="1mo")


def test_online_features_of_one_name_clash(tmp_path: Path) -> None:
    views = [view(), view("paid")]
    store = ht.FeatureStore(views, online_store=ht.SqliteOnlineStore(tmp_path / "online.db"))
    store.materialize("2024-01-01")
    with pytest.raises(ht.DefinitionError, match=r"'amount'; use full_feature_names=True"):
        store.get_online_features(["spend", "paid"], [{"user_id": 1}])
    answer = store.get_online_features(["spend", "paid"], [{"user_id": 1}], full_feature_names=True).to_dict()
    assert answer == {"user_id": [1], "spend__amount": [2.0], "paid__amount": [2.0]}


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_a_package_that_is_missing_is_told_with_the_way_to_install_it(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    lazy = job()
    with pytest.raises(ht.UnsupportedError, match=rf"{package} is not installed: pip install 'hitherto\[{package}\]'"):
        lazy.to_df() if package == "pandas" else lazy.to_polars()


def test_an_attribute_that_is_not_there_is_told_by_its_name() -> None:
    with pytest.raises(AttributeError, match="module 'hitherto' has no attribute 'FeatureVeiw'"):
        _ = ht.FeatureVeiw
