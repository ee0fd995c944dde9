"""Entity rows of an online read, and the response: what is checked, in which order, and how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import hitherto as ht
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

END = "2024-01-02"
TS = pa.array([datetime(2024, 1, 1)] * 2, pa.timestamp("us"))


def view(name: str = "spend", keys: Any = (1, 2), type_: Any = None, **changes: Any) -> ht.FeatureView:
    rows = pa.table({"k": pa.array(keys, type_), "ts": TS, "v": [1.5, 2.5], "n": [1, None]})
    source = ht.ArrowSource(rows, timestamp_field="ts")
    return ht.FeatureView(name, **{"entities": ["k"], "source": source} | changes)


def filled(path: Path, *views: Any, store: type[ht.SqliteOnlineStore] = ht.SqliteOnlineStore) -> ht.FeatureStore:
    made = ht.FeatureStore(list(views), online_store=store(path / "online.db"))
    made.materialize(END)
    return made


MISSING = {"None": None, "pandas' NA": pd.NA, "pandas' NaT": pd.NaT, "numpy's NaT": np.datetime64("NaT")}


@pytest.mark.parametrize("missing", MISSING.values(), ids=MISSING)
@pytest.mark.parametrize("type_", [pa.int64(), pa.timestamp("us")], ids=str)
def test_a_missing_key_matches_nothing(tmp_path: Path, missing: Any, type_: pa.DataType) -> None:
    response = filled(tmp_path, view(type_=type_)).get_online_features("spend", [{"k": missing}])
    assert response.to_dict()["v"] == [None]
    assert response.to_arrow()["k"].to_pylist() == [None]


INSTANTS = [
    datetime(2024, 1, 1),
    datetime(2024, 1, 1, tzinfo=UTC),
    date(2024, 1, 1),
    pd.Timestamp("2024-01-01T09:00", tz="Asia/Tokyo"),
    np.datetime64("2024-01-01"),
    np.datetime64("2024-01-01T00:00:00.000000999", "ns"),
]


@pytest.mark.parametrize("key", INSTANTS, ids=repr)
def test_an_instant_is_a_key_whatever_its_class(tmp_path: Path, key: Any) -> None:
    keys = [datetime(2024, 1, 1), datetime(2024, 1, 2)]
    response = filled(tmp_path, view(keys=keys, type_=pa.timestamp("us"))).get_online_features("spend", [{"k": key}])
    assert response.to_dict()["v"] == [1.5]
    assert response.to_arrow()["k"].to_pylist() == [datetime(2024, 1, 1, tzinfo=UTC)]


def test_a_uuid_is_the_key_that_a_source_of_uuids_has(tmp_path: Path) -> None:
    keys = [UUID(int=1), UUID("12345678-ABCD-1234-5678-1234567890ab")]
    stored = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([key.bytes for key in keys], pa.binary(16)))
    rows = pa.table({"k": stored, "ts": TS, "v": [1.5, 2.5]})
    source = ht.ArrowSource(rows, timestamp_field="ts")
    store = filled(tmp_path, ht.FeatureView("spend", entities=["k"], source=source))
    asked = [{"k": keys[1]}, {"k": str(keys[0])}, {"k": UUID(int=7)}]
    assert store.get_online_features("spend", asked).to_dict()["v"] == [2.5, 1.5, None]


WRONG: dict[str, tuple[Any, str]] = {
    "a float": (1.0, "entity_rows: key 'k' is 1.0, a float, which cannot be a key"),
    "NaN": (float("nan"), "entity_rows: key 'k' is nan, a float, which cannot be a key"),
    "NaN that is a decimal": (Decimal("NaN"), "entity_rows: key 'k' is a Decimal, which cannot be a key"),
    "a list": ([1], "entity_rows: key 'k' is a list of 1, a list, which cannot be a key"),
    "half a pair": ("\ud800", "entity_rows: key 'k' is '\\ud800', which holds half of a surrogate pair and is no text"),
    "half a pair of numpy's": (
        np.str_("\udfff"),
        "entity_rows: key 'k' is '\\udfff', which holds half of a surrogate pair and is no text",
    ),
    "a text": ("1", "entity_rows: key 'k' is '1', a str, but the view's is integer"),
    "a truth": (True, "entity_rows: key 'k' is True, a bool, but the view's is integer"),
}


@pytest.mark.parametrize(("key", "message"), WRONG.values(), ids=WRONG)
def test_a_key_that_cannot_be_one_is_told(tmp_path: Path, key: Any, message: str) -> None:
    store = filled(tmp_path, view())
    with pytest.raises(ht.SpineError) as raised:
        store.get_online_features("spend", [{"k": 1}, {"k": key}])
    assert str(raised.value) == message


def test_keys_of_another_type_are_told_together(tmp_path: Path) -> None:
    store = filled(tmp_path, view())
    with pytest.raises(ht.SpineError) as raised:
        store.get_online_features("spend", [{"k": str(number % 12)} for number in range(100)])
    assert len(str(raised.value).splitlines()) == 11
    assert str(raised.value).endswith("\nand 2 more")


@pytest.mark.parametrize("rows", [[{}], [{"k": 1.5}], [7], {"k": [1]}, "k", pd.DataFrame({"k": [1]})], ids=type)
def test_wrong_entity_rows_are_told_before_anything_is_read(tmp_path: Path, rows: Any) -> None:
    store = ht.FeatureStore([view()], online_store=ht.SqliteOnlineStore(tmp_path / "online.db"))
    with pytest.raises(ht.SpineError, match="entity_rows"):
        store.get_online_features("spend", rows)


TABLES: dict[str, tuple[Any, str]] = {
    "pandas": (pd.DataFrame({"k": [1]}), "a DataFrame; give a list of dictionaries, as df.to_dict('records') makes"),
    "Arrow": (pa.table({"k": [1]}), "a Table; give a list of dictionaries, as table.to_pylist() makes"),
    "a generator": (({"k": key} for key in (1, 2)), "a generator; give a list of dictionaries"),
    "columns": ({"k": [1, 2]}, "a dict; give a list of dictionaries"),
}


@pytest.mark.parametrize(("rows", "said"), TABLES.values(), ids=TABLES)
def test_entity_rows_of_another_kind_are_told_with_the_way_out(tmp_path: Path, rows: Any, said: str) -> None:
    store = filled(tmp_path, view())
    with pytest.raises(ht.SpineError) as raised:
        store.get_online_features("spend", rows)
    assert str(raised.value) == f"entity_rows: {said}"


def test_rows_of_a_tuple_and_of_mappings_are_entity_rows(tmp_path: Path) -> None:
    store = filled(tmp_path, view())
    frame = pd.DataFrame({"k": [2, 1, 2]})
    assert store.get_online_features("spend:v", tuple(frame.to_dict("records"))).to_dict()["v"] == [2.5, 1.5, 2.5]


def test_each_use_of_a_view_is_read_once_so_that_its_features_are_of_one_moment(tmp_path: Path) -> None:
    reads: list[tuple[str, int]] = []

    class Counting(ht.SqliteOnlineStore):
        def read(self, view: str, keys: Sequence[bytes]) -> Any:
            reads.append((view, len(keys)))
            return super().read(view, keys)

    spend = view()
    other = spend.with_name("other").with_join_key_map({"k": "j"})
    store = filled(tmp_path, spend, other, store=Counting)
    rows = [{"k": 1, "j": 2}, {"k": 1, "j": 2}, {"k": 2, "j": None}]
    answer = store.get_online_features(["spend:v", "spend:n", "other:v as w"], rows).to_dict()
    assert answer == {"k": [1, 1, 2], "j": [2, 2, None], "v": [1.5, 1.5, 2.5], "n": [1, 1, None], "w": [2.5, 2.5, None]}
    assert reads == [("spend", 2), ("spend", 1)]


def test_names_that_differ_by_case_alone_clash_as_in_a_retrieval(tmp_path: Path) -> None:
    rows = pa.table({"k": [1, 2], "ts": TS, "V": [3, 4]})
    other = ht.FeatureView("other", entities=["k"], source=ht.ArrowSource(rows, timestamp_field="ts"))
    store = filled(tmp_path, view(), other)
    for features in (["spend:v", "other:V"], ["spend:v as K"]):
        with pytest.raises(ht.DefinitionError, match="two columns would be called"):
            store.get_online_features(features, [{"k": 1}])


def test_all_views_that_cannot_be_read_are_told_at_once(tmp_path: Path) -> None:
    filled(tmp_path, view("a"), view("b"))
    store = ht.FeatureStore(
        [view("a"), view("b", ttl="1d"), view("c")], online_store=ht.SqliteOnlineStore(tmp_path / "online.db")
    )
    with pytest.raises(ht.StoreError) as raised:
        store.get_online_features(["a", "b", "c"], [{"k": 1}], full_feature_names=True)
    lines = str(raised.value).splitlines()
    assert lines[:2] == [
        "feature view 'b' is stored under another definition, as of 2024-01-02 00:00:00",
        "  ttl: none -> 1d",
    ]
    assert lines[3:] == [f"feature view 'c' is not in {tmp_path}/online.db: call store.materialize(end) first"]
    with pytest.raises(ht.StoreError, match="does not exist yet") as raised:
        ht.FeatureStore(
            [view("a"), view("b")], online_store=ht.SqliteOnlineStore(tmp_path / "none.db")
        ).get_online_features(["a", "b"], [{"k": 1}], full_feature_names=True)
    assert len(str(raised.value).splitlines()) == 1


def test_a_response_is_an_arrow_table_and_a_frame(tmp_path: Path) -> None:
    store = filled(tmp_path, view(), view("other", entities=[ht.Entity("k")], columns={"day": "cast(ts as date)"}))
    response = store.get_online_features(["spend", "other:day"], [{"k": np.int8(1)}, {"k": 2}, {"k": 3}])
    table = response.to_arrow()
    assert table.schema == pa.schema({"k": pa.int64(), "v": pa.float64(), "n": pa.int64(), "day": pa.date32()})
    assert table.to_pydict() == {
        "k": [1, 2, 3],
        "v": [1.5, 2.5, None],
        "n": [1, None, None],
        "day": [date(2024, 1, 1), date(2024, 1, 1), None],
    }
    frame = response.to_df()
    assert list(frame.columns) == ["k", "v", "n", "day"]
    assert str(frame["n"].dtype) == "Int64"
    assert store.get_online_features(["spend"], []).to_arrow().schema == table.schema.remove(3)


def test_a_key_beyond_64_bits_is_no_key_of_an_arrow_table(tmp_path: Path) -> None:
    response = filled(tmp_path, view()).get_online_features("spend:v", [{"k": 10**30}])
    assert response.to_dict() == {"k": [10**30], "v": [None]}
    with pytest.raises(ht.SpineError, match="key 'k' has no Arrow form"):
        response.to_arrow()


def test_to_df_without_pandas_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    response = filled(tmp_path, view()).get_online_features("spend", [])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ht.UnsupportedError, match=r"pip install 'hitherto\[pandas\]'"):
        response.to_df()


def test_a_response_is_shown_with_its_first_values_shortened(tmp_path: Path) -> None:
    store = filled(tmp_path, view(keys=["a" * 60, "b"]))
    rows = [{"k": "a" * 60}, {"k": "b"}, {"k": "c"}, {"k": "d"}]
    assert repr(store.get_online_features("spend:v", rows)) == (
        f"OnlineResponse(4 rows: k=['{'a' * 39}…, 'b', 'c', …], v=[1.5, 2.5, None, …]; spend as of 2024-01-02 00:00:00)"
    )
    assert repr(store.get_online_features("spend:v", [])) == (
        "OnlineResponse(0 rows: k=[], v=[]; spend as of 2024-01-02 00:00:00)"
    )
