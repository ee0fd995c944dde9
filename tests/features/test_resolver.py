"""Names and types are checked against the source's schema, all at once and before any row is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hitherto as ht
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

TIMES = pa.array([10, 20, 10], pa.timestamp("us"))
DATA = pa.table(
    {
        "user_id": [1, 1, 2],
        "ts": TIMES,
        "amount": [1.0, 2.0, 3.0],
        "note": ["a", "b", "c"],
        "tags": [["x"], [], None],
    }
)
COLUMNS = "\n  columns: user_id, ts, amount, note, tags"
SPINE = pa.table({"user_id": [1, 2, 3], "event_timestamp": pa.array([15] * 3, pa.timestamp("us"))})


def view(name: str = "spend", data: pa.Table = DATA, *, source: dict[str, Any] | None = None, **changes: Any) -> Any:
    declared = ht.ArrowSource(data, **{"timestamp_field": "ts"} | (source or {}))
    given = {"entities": ["user_id"], "source": declared}
    if "aggregations" not in changes:
        given["features"] = ["amount"]
    return ht.FeatureView(name, **given | changes)


def job(*views: Any, features: Any = None, spine: Any = SPINE, **options: Any) -> ht.RetrievalJob:
    asked = list(views) if features is None else features
    return ht.FeatureStore(list(views)).get_historical_features(spine, asked, **options)


def windows(*aggregations: ht.Aggregation, **changes: Any) -> Any:
    return view(aggregations=aggregations, **changes)


WRONG_VIEWS: dict[str, tuple[Any, type[ht.HithertoError], str]] = {
    "key": (
        view(entities=["user"]),
        ht.UnknownColumnError,
        f"feature view 'spend': source 'arrow' has no key column 'user'{COLUMNS}\n  did you mean 'user_id'?",
    ),
    "key of a float": (
        view(entities=["amount"]),
        ht.PlanTypeError,
        "feature view 'spend': key 'amount' is float64, which cannot be a key",
    ),
    "key of a list": (
        view(entities=["tags"]),
        ht.PlanTypeError,
        "feature view 'spend': key 'tags' is list<string>, which cannot be a key",
    ),
    "feature": (
        view(features=["amuont"]),
        ht.UnknownColumnError,
        f"feature view 'spend', features: source 'arrow' has no column 'amuont'{COLUMNS}\n  did you mean 'amount'?",
    ),
    "feature of a list": (
        view(features=["tags"]),
        ht.DefinitionError,
        "feature view 'spend': feature 'tags' is list<string>, which has no order to break ties by; give the source "
        "sequence_columns, or unique=True where no two rows share keys and timestamp",
    ),
    "no feature": (
        view(data=DATA.select(["user_id", "ts"]), features=None),
        ht.DefinitionError,
        "feature view 'spend': source 'arrow' has no column left to be a feature",
    ),
    "filter": (
        view(filter="amuont > 1"),
        ht.UnknownColumnError,
        f"feature view 'spend', filter: no column 'amuont'\n  amuont > 1\n  ^^^^^^{COLUMNS}\n  did you mean 'amount'?",
    ),
    "columns over a column": (
        view(columns={"Amount": "1"}),
        ht.DefinitionError,
        "feature view 'spend', columns: 'Amount' is a column already; choose another name",
    ),
    "columns always null": (
        view(columns={"nothing": "null"}),
        ht.PlanTypeError,
        "feature view 'spend', columns 'nothing': always null; cast it to a type",
    ),
    "columns of an unknown column": (
        view(columns={"usd": "amuont * 2"}),
        ht.UnknownColumnError,
        f"feature view 'spend', columns 'usd': no column 'amuont'\n  amuont * 2\n  ^^^^^^{COLUMNS}"
        "\n  did you mean 'amount'?",
    ),
    "aggregation of an unknown column": (
        windows(ht.Aggregation("amuont", "sum", "7d")),
        ht.UnknownColumnError,
        f"feature view 'spend', aggregation sum('amuont', 7d): source 'arrow' has no column 'amuont'{COLUMNS}\n"
        "  did you mean 'amount'?",
    ),
    "lifetime aggregation of an unknown column": (
        windows(ht.Aggregation("amuont", "sum")),
        ht.UnknownColumnError,
        f"feature view 'spend', aggregation sum('amuont'): source 'arrow' has no column 'amuont'{COLUMNS}\n"
        "  did you mean 'amount'?",
    ),
    "sum of texts": (
        windows(ht.Aggregation("note", "sum", "7d")),
        ht.PlanTypeError,
        "feature view 'spend', aggregation sum('note', 7d): sum takes numbers, not string",
    ),
    "max of lists": (
        windows(ht.Aggregation("tags", "max", "7d")),
        ht.PlanTypeError,
        "feature view 'spend', aggregation max('tags', 7d): max takes scalars, not list<string>",
    ),
    "where of an aggregation": (
        windows(ht.Aggregation("amount", "sum", "7d", where="nte = 'a'")),
        ht.UnknownColumnError,
        "feature view 'spend', aggregation sum('amount', 7d), where: no column 'nte'\n"
        f"  nte = 'a'\n  ^^^{COLUMNS}\n  did you mean 'note'?",
    ),
    "post_aggregation of a row's column": (
        windows(ht.Aggregation("amount", "sum"), post_aggregation={"twice": "amount * 2"}),
        ht.UnknownColumnError,
        "feature view 'spend', post_aggregation 'twice': no column 'amount'\n"
        "  amount * 2\n  ^^^^^^\n  columns: sum_amount\n"
        "  did you mean 'sum_amount'?",
    ),
    "mapping to a name that differs by case": (
        view(source={"field_mapping": {"note": "AMOUNT"}}),
        ht.DefinitionError,
        "feature view 'spend': after field_mapping, 'amount' and 'AMOUNT' are one name to an engine",
    ),
    "mapping to a name that is there": (
        view(source={"field_mapping": {"note": "amount"}}),
        ht.DefinitionError,
        "feature view 'spend': field_mapping gives the name amount twice",
    ),
    "source with repeated columns": (
        view(data=pa.Table.from_arrays([*DATA.columns, TIMES], names=[*DATA.column_names, "ts"])),
        ht.SourceError,
        "ArrowSource: repeated column names: ts",
    ),
    "source with columns that differ by case": (
        view(data=DATA.append_column("Amount", DATA["note"])),
        ht.SourceError,
        "source 'arrow': columns 'amount' and 'Amount' differ only by case, which engines ignore",
    ),
    "timestamp_field": (
        view(source={"timestamp_field": "tss"}),
        ht.SourceError,
        f"source 'arrow', timestamp_field: no column 'tss'{COLUMNS}\n  did you mean 'ts'?",
    ),
    "timestamp_field of texts": (
        view(source={"timestamp_field": "note"}),
        ht.SourceError,
        "source 'arrow', timestamp_field: column 'note' is string, not a timestamp or date\n  make it one: "
        "pandas.to_datetime, a cast in a query, or for csv and json a FileSource with schema={'note': 'timestamp[us]'}"
        ", which tells the first text that is no ISO time",
    ),
    "created_timestamp_column": (
        view(source={"created_timestamp_column": "created"}),
        ht.SourceError,
        f"source 'arrow', created_timestamp_column: no column 'created'{COLUMNS}",
    ),
    "created_timestamp_column of numbers": (
        view(source={"created_timestamp_column": "user_id"}),
        ht.SourceError,
        "source 'arrow', created_timestamp_column: column 'user_id' is int64, not a timestamp or date\n  make it one: "
        "pandas.to_datetime(…, unit='s'), or to_timestamp(user_id) in a query (Spark: timestamp_seconds(user_id)); "
        "milliseconds are unit='ms', epoch_ms and timestamp_millis",
    ),
    "sequence column": (
        view(source={"sequence_columns": ["nota"]}),
        ht.SourceError,
        f"source 'arrow', sequence_columns: no column 'nota'{COLUMNS}\n  did you mean 'note'?",
    ),
    "sequence column of lists": (
        view(source={"sequence_columns": ["tags"]}),
        ht.SourceError,
        "source 'arrow', sequence_columns: column 'tags' is list<string>, which has no order",
    ),
    "mapped column": (
        view(source={"field_mapping": {"amt": "usd"}}),
        ht.SourceError,
        f"source 'arrow', field_mapping: no column 'amt'{COLUMNS}",
    ),
    "mapped key": (
        view(source={"field_mapping": {"user_id": "user"}}),
        ht.SourceError,
        "source 'arrow', field_mapping: 'user_id' is a key of view 'spend', and keys keep their names",
    ),
}


@pytest.mark.parametrize(("wrong", "error", "message"), WRONG_VIEWS.values(), ids=WRONG_VIEWS)
def test_a_view_that_does_not_fit_its_source_says_what_and_where(
    wrong: Any, error: type[ht.HithertoError], message: str
) -> None:
    with pytest.raises(error) as raised:
        job(wrong)
    assert type(raised.value) is error
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(("wrong", "error", "message"), WRONG_VIEWS.values(), ids=WRONG_VIEWS)
def test_the_schema_of_a_wrong_view_raises_the_same(wrong: Any, error: type[ht.HithertoError], message: str) -> None:
    with pytest.raises(error) as raised:
        _ = wrong.schema
    assert str(raised.value).startswith(message)


def test_all_problems_of_a_view_come_at_once() -> None:
    wrong = windows(
        ht.Aggregation("amuont", "sum"),
        ht.Aggregation("note", "mean", "7d"),
        ht.Aggregation("*", "count", where="nte = 'a'"),
        entities=["user"],
        filter="stauts = 'ok'",
        columns={"amount": "1", "usd": "2 + 'a'"},
        post_aggregation={"twice": "nothing * 2"},
    )
    with pytest.raises(ht.DefinitionError) as raised:
        job(wrong)
    assert len(raised.value.problems) == 8
    assert all(problem.startswith("feature view 'spend'") for problem in raised.value.problems)


def test_the_problems_of_several_views_come_at_once() -> None:
    with pytest.raises(ht.UnknownColumnError) as raised:
        job(view("a", features=["x"]), view("b", features=["y"]))
    assert [problem[:16] for problem in raised.value.problems] == ["feature view 'a'", "feature view 'b'"]


def test_all_problems_of_a_source_come_at_once() -> None:
    wrong = view(source={"timestamp_field": "note", "created_timestamp_column": "x", "sequence_columns": ["tags"]})
    with pytest.raises(ht.SourceError) as raised:
        job(wrong)
    assert str(raised.value).count("source 'arrow', ") == 3


WRONG_FEATURES: dict[str, tuple[Any, type[ht.HithertoError], str]] = {
    "view": (
        "spned:amount",
        ht.UnknownColumnError,
        "features: no feature view 'spned'\n  views: spend\n  did you mean 'spend'?",
    ),
    "feature": (
        "spend:amuont",
        ht.UnknownColumnError,
        "feature view 'spend' has no feature 'amuont'\n  features: amount\n  did you mean 'amount'?",
    ),
    "feature of a projection": (
        [view()[["amuont"]]],
        ht.UnknownColumnError,
        "feature view 'spend' has no feature 'amuont'\n  features: amount\n  did you mean 'amount'?",
    ),
    "feature of a service": (
        ht.FeatureService("fraud", ["spend:amuont"]),
        ht.UnknownColumnError,
        "feature view 'spend' has no feature 'amuont'\n  features: amount\n  did you mean 'amount'?",
    ),
    "nothing": ([], ht.DefinitionError, "features is empty; name at least one feature"),
    "a number": (
        [5],
        ht.DefinitionError,
        "features: 5 is neither a view, a projection, a service nor 'view:feature'",
    ),
    "a number alone": (
        5,
        ht.DefinitionError,
        "features: 5 is neither a view, a projection, a service nor 'view:feature'",
    ),
    "one name for two views": (
        [view(), view(ttl="1d")],
        ht.DefinitionError,
        "two different views are used as 'spend'; rename one with with_name()",
    ),
}


@pytest.mark.parametrize(("features", "error", "message"), WRONG_FEATURES.values(), ids=WRONG_FEATURES)
def test_a_wrong_request_says_what_is_wrong(features: Any, error: type[ht.HithertoError], message: str) -> None:
    with pytest.raises(error) as raised:
        job(view(), features=features)
    assert str(raised.value) == message
    assert type(raised.value) is error


def test_several_wrong_features_come_at_once() -> None:
    with pytest.raises(ht.UnknownColumnError) as raised:
        job(view(), features=["spend:a", "spend:b"])
    assert len(raised.value.problems) == 2
    with pytest.raises(ht.UnknownColumnError) as raised:
        job(view(), features=["x:a", "y:b"])
    assert len(raised.value.problems) == 2


def test_features_of_one_name_clash_and_full_names_are_suggested() -> None:
    message = "features spend:amount and paid:amount would both be called 'amount'; use full_feature_names=True"
    with pytest.raises(ht.DefinitionError) as raised:
        job(view(), view("paid"))
    assert str(raised.value) == message
    assert job(view(), view("paid"), full_feature_names=True).schema.names[2:] == ["spend__amount", "paid__amount"]


def test_full_names_that_clash_are_told_to_be_renamed() -> None:
    one = view("a", columns={"b__c": "1"}, features=["b__c"])
    two = view("a__b", columns={"c": "2"}, features=["c"])
    with pytest.raises(ht.DefinitionError, match="features a:b__c and a__b:c would both be called 'a__b__c'") as raised:
        job(one, two, full_feature_names=True)
    assert "use full_feature_names=True" not in str(raised.value)


def test_features_that_differ_by_case_clash() -> None:
    upper = DATA.rename_columns(["user_id", "ts", "AMOUNT", "note", "tags"])
    with pytest.raises(ht.DefinitionError, match="features spend:amount and paid:AMOUNT would both be called 'AMOUNT'"):
        job(view(), view("paid", upper, features=["AMOUNT"]))


def test_two_views_of_one_name_are_refused_by_the_store() -> None:
    with pytest.raises(ht.DefinitionError, match=r"two feature views are called 'spend'; rename one, or use with_name"):
        ht.FeatureStore([view(), view(ttl="1d")])
    with pytest.raises(ht.DefinitionError, match="feature views 'spend' and 'Spend' differ only by case"):
        ht.FeatureStore([view(), view("Spend")])


def test_one_view_twice_is_one_view() -> None:
    assert list(ht.FeatureStore([view(), view()]).features()) == ["spend"]


@pytest.mark.parametrize("views", [view(), 5, ["spend"], [ht.ArrowSource(DATA, timestamp_field="ts")]], ids=type)
def test_a_store_is_made_of_a_list_of_views(views: Any) -> None:
    with pytest.raises(ht.DefinitionError, match="views"):
        ht.FeatureStore(views)


def test_expressions_may_use_the_ones_before_them() -> None:
    made = view(columns={"usd": "amount * 2", "more": "usd + 1"}, features=["more"])
    assert job(made).to_arrow()["more"].to_pylist() == [3.0, 7.0, None]


def test_a_mapped_column_is_called_by_its_feature_name() -> None:
    made = view(source={"field_mapping": {"amount": "usd"}}, filter="usd > 1", features=["usd"])
    assert job(made).to_arrow()["usd"].to_pylist() == [None, 3.0, None]


@pytest.fixture
def unreadable(tmp_path: Path) -> Path:
    """A parquet file whose footer is intact and whose rows are not."""
    path = tmp_path / "transactions.parquet"
    pq.write_table(DATA, path, compression="none")
    content = bytearray(path.read_bytes())
    footer = int.from_bytes(content[-8:-4], "little") + 8
    content[4:-footer] = b"\xff" * (len(content) - footer - 4)
    path.write_bytes(content)
    with pytest.raises(OSError, match=r".+"):
        pq.read_table(path)
    return path


NO_ROW_READ: dict[str, tuple[dict[str, Any], Any, type[ht.HithertoError]]] = {
    "unknown column": ({"features": ["amuont"]}, SPINE, ht.UnknownColumnError),
    "wrong type": ({"features": ["amount"], "filter": "note > 1"}, SPINE, ht.PlanTypeError),
    "two problems": ({"features": ["amuont"], "filter": "note > 1"}, SPINE, ht.DefinitionError),
    "key of the spine": ({"features": ["amount"]}, SPINE.rename_columns(["user", "t"]), ht.SpineError),
    "null time": (
        {"features": ["amount"]},
        pa.table({"user_id": [1], "t": pa.nulls(1, pa.timestamp("us"))}),
        ht.SpineError,
    ),
}


@pytest.mark.parametrize(("changes", "spine", "error"), NO_ROW_READ.values(), ids=NO_ROW_READ)
def test_errors_come_before_any_row_of_the_source_is_read(
    unreadable: Path, changes: dict[str, Any], spine: Any, error: type[ht.HithertoError]
) -> None:
    source = ht.FileSource(unreadable, timestamp_field="ts")
    with pytest.raises(error):
        job(ht.FeatureView("spend", entities=["user_id"], source=source, **changes), spine=spine)


def test_schema_features_sql_and_explain_read_no_row(unreadable: Path) -> None:
    source = ht.FileSource(unreadable, timestamp_field="ts")
    made = ht.FeatureView("spend", entities=["user_id"], source=source, features=["amount"])
    assert ht.FeatureStore([made]).features()["spend"] == made.schema
    lazy = job(made)
    assert lazy.schema.names[-1] == "amount"
    assert "transactions.parquet" in lazy.to_sql()
    assert "ReadNode transactions" in str(lazy.explain())
    with pytest.raises(ht.SourceError, match=r"transactions\.parquet cannot be read as parquet"):
        lazy.to_arrow()
    forced = ht.PlannerOptions(forms={"spend": "NarrowAsof"})
    with pytest.raises(ht.EngineError) as raised:
        ht.FeatureStore([made], planner_options=forced).get_historical_features(SPINE, made).to_arrow()
    assert raised.value.view == "spend"
