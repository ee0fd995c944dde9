"""Parquet files that are not all alike: folders that name values, columns that differ by widening."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import hitherto as ht
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hitherto.planner.types import DataType, common_type, parse_type

DAY = 86_400_000_000
ROWS = pa.table({"k": [1, 2, 3], "event_timestamp": pa.array([DAY] * 3, pa.timestamp("us"))})


def events(keys: list[int], **columns: pa.Array) -> pa.Table:
    return pa.table({"k": keys, "ts": pa.array([0] * len(keys), pa.timestamp("us")), **columns})


def write(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def answer(source: ht.FileSource, **options: Any) -> pa.Table:
    view = ht.FeatureView("v", entities=["k"], source=source, **options)
    return ht.FeatureStore([view]).get_historical_features(ROWS, view).to_arrow().drop_columns(["k", "event_timestamp"])


@pytest.fixture
def hive(tmp_path: Path) -> Path:
    for number, (year, month, day) in enumerate([("2023", "12", "2023-12-31"), ("2024", "01", "2024-01-01")], 1):
        write(
            tmp_path / f"year={year}/month={month}/day={day}/a b=x%2Fy/e.parquet",
            events([number], x=pa.array([number])),
        )
    return tmp_path


def test_folders_are_columns_typed_by_all_their_names(hive: Path) -> None:
    found = answer(ht.FileSource(hive / "**/*.parquet", timestamp_field="ts"))
    assert {field.name: str(field.type) for field in found.schema} == {
        "x": "int64", "year": "int64", "month": "string", "day": "date32[day]", "a b": "string",
    }  # fmt: skip
    assert found["year"].to_pylist() == [2023, 2024, None]
    assert found["month"].to_pylist() == ["12", "01", None]
    assert found["day"].to_pylist() == [date(2023, 12, 31), date(2024, 1, 1), None]
    assert found["a b"].to_pylist() == ["x/y", "x/y", None]


def test_types_of_folders_are_given(hive: Path) -> None:
    source = ht.FileSource(hive / "**/*.parquet", timestamp_field="ts", schema={"month": "int32", "year": "string"})
    found = answer(source, filter="month < 12", features=["month", "year"])
    assert found.schema == pa.schema([("month", pa.int32()), ("year", pa.string())])
    assert found.to_pydict() == {"month": [None, 1, None], "year": [None, "2024", None]}
    with pytest.raises(ht.SourceError, match=r"source '.*': folders of column 'a b': 'x/y' is no int64"):
        answer(ht.FileSource(hive / "**/*.parquet", timestamp_field="ts", schema={"a b": "int64"}))
    with pytest.raises(
        ht.SourceError, match="schema= names 'x'; parquet has its own types, and the folders give year, mon"
    ):
        answer(ht.FileSource(hive / "**/*.parquet", timestamp_field="ts", schema={"x": "int64"}))


def test_the_folder_of_nulls_is_null(tmp_path: Path) -> None:
    write(tmp_path / "p=__HIVE_DEFAULT_PARTITION__/e.parquet", events([1], x=pa.array([1])))
    write(tmp_path / "p=5/e.parquet", events([2], x=pa.array([2])))
    found = answer(ht.FileSource(tmp_path / "*/*.parquet", timestamp_field="ts"))
    assert found.to_pydict() == {"x": [1, 2, None], "p": [None, 5, None]}


def test_files_in_other_folders_are_refused(hive: Path) -> None:
    write(hive / "e.parquet", events([3], x=pa.array([3])))
    with pytest.raises(
        ht.SourceError, match=r"year=2023/.* lies in folders for year, month, day, a b, and .* for no column"
    ):
        answer(ht.FileSource(hive / "**/*.parquet", timestamp_field="ts"))
    write(hive / "year=2023/k=1/f.parquet", events([3], x=pa.array([3])))
    with pytest.raises(ht.SourceError, match=r"f.parquet has a column 'k' itself, which its folder names too"):
        answer(ht.FileSource(hive / "year=2023/k=1/f.parquet", timestamp_field="ts"))


def test_csv_and_json_have_folders_too(tmp_path: Path) -> None:
    for suffix, text in (("csv", "k,ts,x\n1,1970-01-01,5\n"), ("json", '{"k": 1, "ts": "1970-01-01", "x": 5}')):
        for year in (2023, 2024):
            path = tmp_path / suffix / f"year={year}/e.{suffix}"
            path.parent.mkdir(parents=True)
            path.write_text(text.replace("1,1970", f"{year - 2022},1970").replace('"k": 1', f'"k": {year - 2022}'))
        found = answer(ht.FileSource(tmp_path / suffix / f"*/*.{suffix}", timestamp_field="ts"), features=["year", "x"])
        assert found.to_pydict() == {"year": [2023, 2024, None], "x": [5, 5, None]}
        count = answer(
            ht.FileSource(tmp_path / suffix / f"*/*.{suffix}", timestamp_field="ts"),
            filter="year = 2024",
            aggregations=[ht.Aggregation("*", "count", name="n")],
        )
        assert count["n"].to_pylist() == [0, 1, 0]


WIDER = {
    "i": (pa.array([1], pa.int32()), pa.array([2**40], pa.int64()), "int64", [1, 2**40]),
    "u": (pa.array([200], pa.uint8()), pa.array([-5], pa.int8()), "int16", [200, -5]),
    "f": (pa.array([0.5], pa.float32()), pa.array([1e300], pa.float64()), "double", [0.5, 1e300]),
    "d": (
        pa.array([1]).cast(pa.decimal128(19, 0)), pa.array(["0.25"]).cast(pa.decimal128(5, 2)),
        "decimal128(21, 2)", None,
    ),
    "t": (pa.array([1], pa.timestamp("ms")), pa.array([7], pa.timestamp("us")), "timestamp[us]", None),
    "z": (
        pa.array([1], pa.timestamp("ms", "Asia/Tokyo")), pa.array([7], pa.timestamp("us", "UTC")),
        "timestamp[us, tz=UTC]", None,
    ),
    "s": (pa.array(["a"], pa.large_string()), pa.array(["b"]), "string", ["a", "b"]),
}  # fmt: skip


def differing(folder: Path) -> ht.FileSource:
    """Two files whose columns differ in type and order, and of which each has one that the other has not."""
    one, two = ({name: pair[index] for name, pair in WIDER.items()} for index in (0, 1))
    write(folder / "1.parquet", events([1], **one, only=pa.array(["here"])))
    other = events([2], **two, more=pa.array([1.5]))
    write(folder / "2.parquet", other.select(other.column_names[::-1]))
    return ht.FileSource(folder / "*.parquet", timestamp_field="ts")


def test_columns_that_differ_are_read_as_their_common_type(tmp_path: Path) -> None:
    found = answer(differing(tmp_path))
    for name, (_, _, type_, values) in WIDER.items():
        assert str(found.schema.field(name).type) == type_
        assert values is None or found[name].to_pylist() == [*values, None]
    assert found["d"].cast(pa.string()).to_pylist() == ["1.00", "0.25", None]
    assert found["t"].cast(pa.int64()).to_pylist() == found["z"].cast(pa.int64()).to_pylist() == [1000, 7, None]
    assert found["only"].to_pylist() == ["here", None, None]
    assert found["more"].to_pylist() == [None, 1.5, None]


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("int8", "int64", "int64"), ("uint8", "uint32", "uint32"), ("uint32", "int8", "int64"),
        ("uint64", "int64", None),
        ("int64", "float64", "float64"), ("uint8", "float32", "float64"), ("float32", "float64", "float64"),
        ("string", "int64", None), ("date", "timestamp", None), ("bool", "int8", None),
        ("decimal(38, 0)", "decimal(3, 2)", None), ("decimal(9, 2)", "int64", "decimal(21, 2)"),
        ("decimal(9, 2)", "float64", None), ("timestamp[ns]", "timestamp[us, UTC]", None),
        ("timestamp[us]", "timestamp[us, UTC]", None), ("timestamp[s]", "timestamp[ms]", "timestamp[us]"),
    ],
)  # fmt: skip
def test_the_common_type(one: str, other: str, both: str | None) -> None:
    for left, right in ((one, other), (other, one)):
        assert common_type(parse_type(left), parse_type(right)) == (parse_type(both) if both else None)
    wide = common_type(parse_type("timestamp[ns]"), parse_type("timestamp[s]"))
    assert wide == DataType("timestamp", unit="ns", precision=38) == common_type(wide, parse_type("timestamp[us]"))
    assert common_type(DataType("null"), parse_type(one)) == common_type(parse_type(one), DataType("null"))


@pytest.fixture
def memory() -> Iterator[Any]:
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


def test_files_of_another_file_system_are_read(memory: Any) -> None:
    for year in (2023, 2024):
        with memory.open(f"/lake/year={year}/e.parquet", "wb") as file:
            pq.write_table(events([year - 2022], x=pa.array([year], pa.int64() if year % 2 else pa.int32())), file)
    source = ht.FileSource("memory://lake/*/*.parquet", timestamp_field="ts")
    assert source.name == "lake"
    assert answer(source).to_pydict() == {"x": [2023, 2024, None], "year": [2023, 2024, None]}
    with memory.open("/lake/e.csv", "w") as file:
        file.write("k,ts,zip\n1,1970-01-01,007\n")
    assert answer(ht.FileSource("memory://lake/e.csv", timestamp_field="ts")).to_pydict() == {
        "zip": ["007", None, None]
    }
    rows = ht.FileSource("memory://lake/e.csv", timestamp_field="ts")
    for given in (rows, "memory://lake/e.csv"):
        assert asked(given, entity_timestamp="ts")["zip"].to_pylist() == ["007"]
    for path, message in [
        ("memory://lake/nothing.parquet", "there is no file memory://lake/nothing.parquet"),
        ("memory://lake/*.json", "no file matches memory://lake/"),
        ("memory://lake", "memory://lake is a folder; give a glob such as memory://lake/"),
    ]:
        with pytest.raises(ht.SourceError, match=message.replace("*", r"\*")):
            answer(ht.FileSource(path, timestamp_field="ts"))


def test_a_file_of_another_file_system_that_is_written_anew_is_told(memory: Any) -> None:
    with memory.open("/lake/e.csv", "wb") as file:
        file.write(b"k,ts,x\n1,1970-01-01,5\n")
    source = ht.FileSource("memory://lake/e.csv", timestamp_field="ts")
    view = ht.FeatureView("v", entities=["k"], source=source)
    job = ht.FeatureStore([view]).get_historical_features(ROWS, view)
    assert job.to_arrow()["x"].to_pylist() == [5, None, None]
    with memory.open("/lake/e.csv", "wb") as file:
        file.write(b"k,ts,x\n1,1970-01-01,a\n")
    with pytest.raises(ht.SourceError, match=r"e\.csv was written anew .*, and column 'x' is string"):
        job.to_arrow()
    again = ht.FeatureStore([view]).get_historical_features(ROWS, view)
    assert again.to_arrow()["x"].to_pylist() == ["a", None, None]


def test_a_url_of_this_machine_is_a_path(tmp_path: Path) -> None:
    write(tmp_path / "e.parquet", events([1], x=pa.array([5])))
    source = ht.FileSource((tmp_path / "e.parquet").as_uri(), timestamp_field="ts")
    assert source == ht.FileSource(tmp_path / "e.parquet", timestamp_field="ts")
    assert answer(source)["x"].to_pylist() == [5, None, None]


def test_files_of_an_object_store_are_read() -> None:
    moto = pytest.importorskip("moto.server")
    boto3, fsspec = pytest.importorskip("boto3"), pytest.importorskip("fsspec")
    pytest.importorskip("s3fs")
    server = moto.ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
        client = boto3.client("s3", endpoint_url=url, **keys)
        client.create_bucket(Bucket="lake")
        buffer = pa.BufferOutputStream()
        pq.write_table(events([1], x=pa.array([5])), buffer)
        client.put_object(Bucket="lake", Key="e/year=2024/a.parquet", Body=buffer.getvalue().to_pybytes())
        client.put_object(Bucket="lake", Key="e/a.json", Body=b'{"k": 2, "ts": "1970-01-01", "x": 7}')
        options = {"key": "a", "secret": "b", "endpoint_url": url, "client_kwargs": {"region_name": "us-east-1"}}
        for path, expected in [("s3://lake/e/*/*.parquet", [5, None, None]), ("s3://lake/e/a.json", [None, 7, None])]:
            source = ht.FileSource(path, timestamp_field="ts", storage_options=options)
            assert answer(source, features=["x"])["x"].to_pylist() == expected
            assert "secret" not in repr(source)
        with pytest.raises(ht.SourceError, match=r"s3://nowhere/a.parquet"):
            answer(ht.FileSource("s3://nowhere/a.parquet", timestamp_field="ts", storage_options=options))
    finally:
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        server.stop()


@pytest.mark.parametrize(
    ("url", "package", "extra"),
    [
        ("s3://lake/e.parquet", "s3fs", "s3"),
        ("gs://lake/e.csv", "gcsfs", "gcs"),
        ("memory://lake/e.parquet", "fsspec", "fsspec"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(url: str, package: str, extra: str) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None\nimport hitherto as ht\n"
        f"try: ht.FileSource({url!r}, timestamp_field='ts').open()\n"
        "except ht.UnsupportedError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd="/")
    assert f"{url} needs a package: pip install 'hitherto[{extra}]'" in done.stdout, done.stderr


def test_an_unknown_file_system_is_a_source_error() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(ht.SourceError, match=r"nothing://e.parquet cannot be reached: ValueError: Protocol not known"):
        answer(ht.FileSource("nothing://e.parquet", timestamp_field="ts"))
    with pytest.raises(ht.DefinitionError, match="several file systems, memory, this machine"):
        ht.FileSource(["e.parquet", "memory://e.parquet"], timestamp_field="ts")


def asked(entity_df: Any, **options: Any) -> pa.Table:
    view = ht.FeatureView(
        "v", entities=["k"], source=ht.ArrowSource(events([1], x=pa.array([5])), timestamp_field="ts")
    )
    return ht.FeatureStore([view]).get_historical_features(entity_df, view, **options).to_arrow()


def test_entity_rows_are_files_of_every_kind(tmp_path: Path) -> None:
    for year, key in ((2023, 1), (2024, 2)):
        folder = tmp_path / f"year={year}"
        write(folder / "e.parquet", pa.table({"k": [key], "at": pa.array([DAY], pa.timestamp("ms"))}))
        (folder / "e.csv").write_text(f"k,at\n{key},1970-01-02\n")
        (folder / "e.json").write_text(f'{{"k": {key}, "at": "1970-01-02T00:00:00"}}')
    for suffix in ("parquet", "csv", "json"):
        pattern = tmp_path / f"*/e.{suffix}"
        paths = [tmp_path / f"year={year}/e.{suffix}" for year in (2024, 2023)]
        for given in (pattern, str(pattern), ht.FileSource(pattern, timestamp_field="at")):
            found = asked(given, entity_timestamp=None if isinstance(given, ht.FileSource) else "at")
            assert found.select(["k", "year", "x"]).to_pydict() == {"k": [1, 2], "year": [2023, 2024], "x": [5, None]}
        assert asked(paths, entity_timestamp="at")["k"].to_pylist() == [2, 1]
        assert asked(paths[:1], entity_timestamp="at")["year"].to_pylist() == [2024]


def test_entity_rows_of_one_file_keep_their_types_and_metadata(tmp_path: Path) -> None:
    notes = pa.array(["a", "a"]).dictionary_encode()
    rows = pa.table({"k": [1, 2], "event_timestamp": pa.array([0, 1], pa.timestamp("ms")), "note": notes})
    rows = rows.replace_schema_metadata({"made": "by hand"})
    write(tmp_path / "e.parquet", rows)
    found = asked(tmp_path / "e.parquet")
    assert found.schema.field("note").type == notes.type
    assert found.schema.metadata == {b"made": b"by hand"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "entity rows: the list of paths is empty"),
        (["a.csv", "b.parquet"], "entity rows: several formats, csv, parquet; make a source of each"),
        ("nowhere/*.csv", r"entity rows: no file matches .*/nowhere/\*.csv"),
        (ht.TableSource("t", timestamp_field="at"), "entity rows: TableSource is not tabular; give .* a query"),
        ({"data_delay": "1h"}, r"entity rows: FileSource\(.*\) has data_delay, which is about events; leave it out"),
        ({"schema": {"z": "int64"}}, "entity rows: schema= names 'z', which no file has"),
        ({"schema": {"k": "bool"}}, r"entity rows: .*e.csv: column 'k': '7' is no bool"),
    ],
)
def test_files_that_are_no_entity_rows(given: Any, message: str, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("k,at\n7,1970-01-02\n")
    if isinstance(given, dict):
        given = ht.FileSource(tmp_path / "e.csv", timestamp_field="at", **given)
    with pytest.raises(ht.SpineError, match=message):
        asked(given)
