"""Entity rows in pandas come back as they were, and answers keep their values in pandas."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import hitherto as ht
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

BIG = 2**53 + 1


def us(*times: int | datetime | None) -> pa.Array:
    return pa.array(times, pa.timestamp("us"))


def job(spine: Any, data: pa.Table, **options: Any) -> ht.RetrievalJob:
    view = ht.FeatureView("v", entities=["k"], source=ht.ArrowSource(data, timestamp_field="ts", unique=True))
    return ht.FeatureStore([view]).get_historical_features(spine, view, **options)


DATA = pa.table({"k": range(1_000), "ts": us(*[0] * 1_000), "x": range(1_000)})


def shuffled(index: Any = None) -> pd.DataFrame:
    keys = np.random.default_rng(7).permutation(1_000)
    return pd.DataFrame({"k": keys, "event_timestamp": pd.to_datetime(keys + 1, unit="us")}, index=index)


INDEXES = {
    "shuffled": pd.Index(np.random.default_rng(3).permutation(1_000)),
    "a range from elsewhere": pd.RangeIndex(5, 3_005, 3),
    "texts with a name": pd.Index([f"row {n}" for n in range(1_000)], name="label"),
    "repeated": pd.Index([1, 1, 2, None] * 250),
    "named like a column": pd.Index(range(1_000, 0, -1), name="k"),
    "named like a feature": pd.Index(range(1_000), name="x"),
    "times": pd.date_range("2024-01-01", periods=1_000, freq="h", tz="Europe/Berlin", name="event_timestamp"),
    "categories": pd.CategoricalIndex(["b", "a"] * 500, categories=["b", "a", "c"], ordered=True),
    "two levels": pd.MultiIndex.from_product([range(10), [f"{n}" for n in range(100)]], names=["a", None]),
}


@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES)
def test_a_pandas_index_comes_back(index: pd.Index) -> None:
    frame = shuffled(index)
    answer = job(frame, DATA).to_df()
    pd.testing.assert_index_equal(answer.index, index, exact=True)
    assert answer.columns.to_list() == ["k", "event_timestamp", "x"]
    assert (answer["x"].to_numpy() == frame["k"].to_numpy()).all()


def test_a_feature_is_put_beside_the_rows_of_a_shuffled_frame() -> None:
    frame = shuffled().sample(frac=1, random_state=1)
    frame["x"] = job(frame, DATA).to_df()["x"]
    assert (frame["x"] == frame["k"]).all()


def test_a_pandas_index_is_no_column_of_other_forms() -> None:
    made = job(shuffled(INDEXES["texts with a name"]), DATA)
    assert made.schema.names == made.to_arrow().column_names == ["k", "event_timestamp", "x"]
    assert made.to_polars().columns == ["k", "event_timestamp", "x"]
    for spine in (shuffled(INDEXES["times"]), shuffled(INDEXES["named like a column"])):
        with pytest.raises(ht.SpineError, match="pandas index is no column; reset_index"):
            job(spine.drop(columns=spine.index.name), DATA)


def test_a_frame_of_a_library_that_builds_on_pandas_is_one_of_pandas() -> None:
    class Frame(pd.DataFrame):
        @property
        def _constructor(self) -> type[pd.DataFrame]:
            return Frame

    answer = job(Frame(shuffled(INDEXES["two levels"])), DATA)
    assert answer.schema.names == ["k", "event_timestamp", "x"]
    pd.testing.assert_index_equal(answer.to_df().index, INDEXES["two levels"])
    source = ht.ArrowSource(Frame({"k": [1], "ts": [pd.Timestamp(0)]}, index=[5]), timestamp_field="ts")
    assert source.table.column_names == ["k", "ts"]


def test_columns_of_pandas_come_back_as_they_were_and_a_later_change_does_not_reach_them() -> None:
    spine = pd.DataFrame(
        {
            "k": pd.array([BIG, None], "Int64"),
            "event_timestamp": pd.to_datetime([15, 15], unit="us"),
            "objects": pd.Series([BIG, None], dtype=object),
            "flags": pd.Series([True, None], dtype=object),
            "floats": [1.0, None],
            "list": [[1, None], None],
            7: [1, 2],
        },
        index=["b", "a"],
    )
    before = spine.copy()
    made = job(spine, pa.table({"k": [BIG], "ts": us(0), "x": [BIG]}))
    spine.loc["b", "floats"] = 5.0
    answer = made.to_df()
    pd.testing.assert_frame_equal(answer.drop(columns="x"), before.rename(columns={7: "7"}))
    assert answer["x"].to_list() == [BIG, pd.NA]
    answer.loc["b", "floats"] = 9.0
    assert made.to_df()["floats"].iloc[0] == 1.0


VALUES = {
    "int64": (pa.array([BIG, None]), "Int64"),
    "int8": (pa.array([-5, None], pa.int8()), "Int8"),
    "uint64": (pa.array([BIG, None], pa.uint64()), "UInt64"),
    "bool": (pa.array([True, None]), "boolean"),
    "float": (pa.array([0.5, None]), "float64"),
    "date": (pa.array([date(9999, 12, 31), None]), "object"),
    "far date": (pa.array([4_000_000, None], pa.date32()), "arrow"),
    "decimal": (pa.array([Decimal("0.10"), None]), "object"),
    "timestamp": (us(datetime(9999, 12, 31), None), "datetime64[us]"),
    "zoned": (us(datetime(9999, 12, 31), None).cast(pa.timestamp("us", "UTC")), "datetime64[us, UTC]"),
    "list": (pa.array([[BIG, None], None]), "arrow"),
    "whole list": (pa.array([[BIG], None]), "object"),
    "struct": (pa.array([{"a": BIG, "b": "x"}, {"a": None, "b": "y"}]), "arrow"),
    "list of structs": (pa.array([[{"a": BIG}, {"a": None}], []]), "arrow"),
}  # fmt: skip


@pytest.mark.parametrize("as_pandas", [True, False])
def test_a_value_beside_a_null_keeps_its_value_in_pandas(as_pandas: bool) -> None:
    data = pa.table({"k": [1, 2], "ts": us(0, 0), **{name: values for name, (values, _) in VALUES.items()}})
    spine = pa.table({"k": [1, 2, 3], "event_timestamp": us(1, 1, 1)})
    made = job(spine.to_pandas().set_index(pd.Index([3, 1, 2])) if as_pandas else spine, data)
    expected, frame = made.to_arrow(), made.to_df()
    for name, (_, dtype) in VALUES.items():
        given = frame[name].dtype
        assert dtype == ("arrow" if isinstance(given, pd.ArrowDtype) else str(given)), name
        back = pa.Array.from_pandas(frame[name], type=expected[name].type)
        assert back.to_pylist() == expected[name].to_pylist() if name != "far date" else frame[name].notna().sum() == 1


def test_types_of_an_answer_without_nulls_are_pandas_usual_ones() -> None:
    frame = job(pa.table({"k": [1], "event_timestamp": us(1)}), DATA).to_df()
    assert [str(type_) for type_ in frame.dtypes] == ["int64", "datetime64[us]", "int64"]
    empty = job(pa.table({"k": [1], "event_timestamp": us(1)}).slice(1), DATA).to_df()
    assert [str(type_) for type_ in empty.dtypes] == ["int64", "datetime64[us]", "int64"]


def test_the_only_date_that_is_no_key_is_the_query_time() -> None:
    day = date(2024, 1, 2)
    spine = pa.table({"k": [1], "day": [day], "note": ["a"]})
    assert job(spine, DATA).to_arrow()["x"].to_pylist() == [1]
    data = pa.table({"born": [day], "ts": us(0), "x": [5]})
    view = ht.FeatureView("v", entities=["born"], source=ht.ArrowSource(data, timestamp_field="ts"))
    store = ht.FeatureStore([view])
    spine = pa.table({"born": [day, day], "asked": [day, date(1969, 12, 31)]})
    assert store.get_historical_features(spine, view).to_arrow()["x"].to_pylist() == [5, None]
    with pytest.raises(ht.SpineError, match="entity rows: several date columns, asked, other; name one"):
        store.get_historical_features(spine.append_column("other", spine["asked"]), view)
    with pytest.raises(ht.SpineError, match="entity rows: no timestamp column; name one"):
        store.get_historical_features(spine.drop_columns("asked"), view)
    both = spine.append_column("at", us(0, 1))
    assert store.get_historical_features(both, view).to_arrow()["x"].to_pylist() == [5, 5]


EMPTY = {
    "pandas of objects": pd.DataFrame(columns=["k", "at"]),
    "pandas of floats": pd.DataFrame({"k": [], "at": []}),
    "polars": pl.DataFrame({"k": [], "at": []}),
    "arrow": pa.table({"k": [], "at": []}),
}


@pytest.mark.parametrize("spine", EMPTY.values(), ids=EMPTY)
@pytest.mark.parametrize("keys", [pa.array(["a"]), pa.array([1]), pa.array([date(2024, 1, 1)])], ids=str)
def test_entity_rows_without_rows_have_the_types_that_are_needed(spine: Any, keys: pa.Array) -> None:
    made = job(spine, pa.table({"k": keys, "ts": us(0), "x": [1]}))
    answer = made.to_arrow()
    assert (answer.num_rows, answer.schema, answer.schema.names) == (0, made.schema, ["k", "at", "x"])
    assert answer.schema.field("k").type == (pa.float64() if spine is EMPTY["pandas of floats"] else pa.null())
    assert made.to_df().columns.to_list() == ["k", "at", "x"]
    assert made.to_sql()
    with pytest.raises(ht.SpineError, match="no timestamp column; name one"):
        job(spine[["k"]] if isinstance(spine, pd.DataFrame) else spine.select(["k"]), DATA)


ODD: dict[str, tuple[pa.Array, bool]] = {
    "map": (pa.array([[("a", BIG), ("b", None)], None], pa.map_(pa.string(), pa.int64())), True),
    "views of lists": (pa.array([[BIG, None], None], pa.list_view(pa.int64())), True),
    "run ends": (pa.RunEndEncodedArray.from_arrays([2], pa.array(["a"])), True),
    "wide decimals": (pa.array(["1" * 50, None]).cast(pa.decimal256(60, 0)), False),
    "interval": (pa.array([(1, 2, 3), None], pa.month_day_nano_interval()), False),
    "union": (
        pa.UnionArray.from_dense(pa.array([0, 0], pa.int8()), pa.array([0, 1], pa.int32()), [pa.array([1, 2])]), False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_a_column_of_an_odd_type_comes_to_every_kind_of_frame_or_is_named(name: str) -> None:
    values, has_polars = ODD[name]
    made = job(pa.table({"k": [1, 2], "event_timestamp": us(1, 1), "odd": values}), DATA)
    assert made.to_arrow()["odd"].to_pylist() == values.to_pylist()
    frame = made.to_df()
    assert frame["x"].to_list() == [1, 2]
    if name in ("map", "views of lists"):
        assert pa.array(frame["odd"], values.type).to_pylist() == values.to_pylist()
    if has_polars:
        assert made.to_polars()["x"].to_list() == [1, 2]
        return
    with pytest.raises(ht.UnsupportedError, match=r"to_polars: column 'odd' is .*, which Polars does not have"):
        made.to_polars()
