"""A view that changed since it was stored is told with what changed, and never answered from the rows of another."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import hitherto as ht
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

END = "2024-01-02"
ROWS = pa.table(
    {
        "buyer": [1, 2],
        "seller": [2, 1],
        "ts": pa.array([datetime(2024, 1, 1)] * 2, pa.timestamp("us")),
        "made": pa.array([datetime(2024, 1, 1)] * 2, pa.timestamp("us")),
        "seq": [0, 1],
        "amount": [1.0, 2.0],
        "status": ["ok", "no"],
    }
)


def source(**changes: Any) -> ht.ArrowSource:
    return ht.ArrowSource(ROWS, **{"timestamp_field": "ts"} | changes)


def rows(**changes: Any) -> ht.FeatureView:
    given = {"entities": ["buyer"], "source": source(), "features": ["amount"], "ttl": "7d"} | changes
    return ht.FeatureView("spend", **given)


def windows(*aggregations: ht.Aggregation, **changes: Any) -> ht.FeatureView:
    given = aggregations or (ht.Aggregation("amount", "sum", "7d"),)
    return ht.FeatureView("spend", **{"entities": ["buyer"], "source": source(), "aggregations": given} | changes)


def chained(upstream: ht.FeatureView | None = None, **changes: Any) -> ht.FeatureView:
    return ht.FeatureView(
        "spend", **{"entities": ["seller"], "source": upstream or rows(), "features": ["amount"]} | changes
    )


def stored(path: Path, *views: Any, **options: Any) -> ht.FeatureStore:
    return ht.FeatureStore(list(views), online_store=ht.SqliteOnlineStore(path), **options)


def asked(path: Path, view: Any, **options: Any) -> dict[str, list[Any]]:
    keys = [{"buyer": 1, "seller": 1, "payer": 1}]
    return stored(path, view, **options).get_online_features([view], keys).to_dict()


CHANGES: dict[str, tuple[Callable[[], Any], Callable[[], Any], str]] = {
    "keys": (rows, lambda: rows(entities=["seller"]), "entities: buyer (buyer) -> seller (seller)"),
    "another key": (
        rows,
        lambda: rows(entities=[ht.Entity("party", ["buyer", "seller"])]),
        "entities: buyer (buyer) -> party (buyer, seller)",
    ),
    "filter": (rows, lambda: rows(filter="status = 'ok'"), "filter: none -> status = 'ok'"),
    "no filter": (lambda: rows(filter="status = 'ok'"), rows, "filter: status = 'ok' -> none"),
    "a column": (
        lambda: rows(columns={"usd": "amount * 2"}, features=["usd"]),
        lambda: rows(columns={"usd": "amount * 3"}, features=["usd"]),
        "column usd: amount * 2 -> amount * 3",
    ),
    "the order of columns, which breaks ties": (
        lambda: rows(columns={"a": "amount", "b": "-amount"}),
        lambda: rows(columns={"b": "-amount", "a": "amount"}),
        "columns: a, b -> b, a",
    ),
    "features": (rows, lambda: rows(features=["amount", "status"]), "features: amount -> amount, status"),
    "all features": (rows, lambda: rows(features=None), "features: amount -> none"),
    "ttl": (rows, lambda: rows(ttl="1d"), "ttl: 7d -> 1d"),
    "no ttl": (rows, lambda: rows(ttl=None), "ttl: 7d -> none"),
    "exact matches": (rows, lambda: rows(allow_exact_matches=False), "allow_exact_matches: none -> False"),
    "window": (
        windows,
        lambda: windows(ht.Aggregation("amount", "sum", "1d", name="sum_amount_7d")),
        "aggregation sum_amount_7d: sum(amount), time_window 7d, closed left -> "
        "sum(amount), time_window 1d, closed left",
    ),
    "lifetime window": (
        lambda: windows(ht.Aggregation("amount", "sum", name="x")),
        lambda: windows(
            ht.Aggregation("amount", "sum", "1d", offset="1h", slide_interval="1h", closed="both", name="x")
        ),
        "aggregation x: sum(amount), lifetime, closed left -> "
        "sum(amount), time_window 1d, offset 1h, slide_interval 1h, closed both",
    ),
    "a condition of an aggregation": (
        windows,
        lambda: windows(ht.Aggregation("amount", "sum", "7d", where="status = 'ok'")),
        "aggregation sum_amount_7d: sum(amount), time_window 7d, closed left -> "
        "sum(amount), time_window 7d, closed left, where status = 'ok'",
    ),
    "a parameter": (
        lambda: windows(ht.Aggregation("amount", "percentile", "7d", p=0.5, name="p")),
        lambda: windows(ht.Aggregation("amount", "percentile", "7d", p=0.9, name="p")),
        "aggregation p: percentile(amount, p=0.5), time_window 7d, closed left -> "
        "percentile(amount, p=0.9), time_window 7d, closed left",
    ),
    "one aggregation more": (
        windows,
        lambda: windows(ht.Aggregation("amount", "sum", "7d"), ht.Aggregation("*", "count", "7d")),
        "aggregation count_7d: none -> count(*), time_window 7d, closed left",
    ),
    "post_aggregation": (
        lambda: windows(post_aggregation={"twice": "sum_amount_7d * 2"}),
        lambda: windows(post_aggregation={"twice": "sum_amount_7d + sum_amount_7d"}),
        "post_aggregation twice: sum_amount_7d * 2 -> sum_amount_7d + sum_amount_7d",
    ),
    "created timestamp": (
        rows,
        lambda: rows(source=source(created_timestamp_column="made")),
        "created_timestamp_column: none -> made",
    ),
    "event timestamp": (rows, lambda: rows(source=source(timestamp_field="made")), "timestamp_field: ts -> made"),
    "sequence": (rows, lambda: rows(source=source(sequence_columns=["seq"])), "sequence_columns: none -> seq"),
    "delay": (rows, lambda: rows(source=source(data_delay="1h")), "data_delay: none -> 1h"),
    "uniqueness": (rows, lambda: rows(source=source(unique=True)), "unique: none -> True"),
    "field mapping": (
        rows,
        lambda: rows(source=source(field_mapping={"amount": "paid", "seq": "amount"})),
        "field_mapping: none -> amount to paid, seq to amount",
    ),
    "a filter upstream": (
        chained,
        lambda: chained(rows(filter="status = 'ok'")),
        "upstream filter: none -> status = 'ok'",
    ),
    "a source upstream of the upstream": (
        lambda: chained(chained()),
        lambda: chained(chained(rows(source=source(data_delay="1d")))),
        "upstream 2 data_delay: none -> 1d",
    ),
    "a view of rows instead of a chained one": (
        chained,
        lambda: rows(entities=["seller"], ttl=None),
        "upstream timestamp_field: ts -> none",
    ),
    "names that could be two": (
        lambda: rows(source=source(sequence_columns=["seq", "made"])),
        lambda: rows(source=source(sequence_columns=["made", "seq"])),
        "sequence_columns: seq, made -> made, seq",
    ),
}


@pytest.mark.parametrize(("before", "after", "line"), CHANGES.values(), ids=CHANGES)
def test_a_view_that_changed_is_told_with_what_changed(
    tmp_path: Path, before: Callable[[], Any], after: Callable[[], Any], line: str
) -> None:
    path = tmp_path / "online.db"
    stored(path, before()).materialize(END)
    asked(path, before())
    with pytest.raises(ht.StoreError) as raised:
        asked(path, after())
    first, *lines, last = str(raised.value).splitlines()
    assert first == "feature view 'spend' is stored under another definition, as of 2024-01-02 00:00:00"
    assert f"  {line}" in lines
    assert last == "  call store.materialize(end) to replace it; if it is another view, give it another name"
    stored(path, after()).materialize(END)
    asked(path, after())
    with pytest.raises(ht.StoreError, match="another definition"):
        asked(path, before())


SAME: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "description and tags": (rows, lambda: rows(description="of people", tags={"team": "fraud"})),
    "description of an entity": (
        lambda: rows(entities=[ht.Entity("buyer", description="who pays")]),
        rows,
    ),
    "other data in memory": (rows, lambda: rows(source=ht.ArrowSource(ROWS.slice(1), timestamp_field="ts"))),
    "a file instead of data in memory": (
        rows,
        lambda: rows(source=ht.FileSource("/no/such/file.parquet", timestamp_field="ts")),
    ),
    "a duration that is written in another way": (rows, lambda: rows(ttl="168h")),
    "what is said where nothing was": (rows, lambda: rows(allow_exact_matches=True, columns={}, filter=None)),
    "a zero ttl": (lambda: rows(ttl=None), lambda: rows(ttl="0s")),
    "the order of aggregations": (
        lambda: windows(ht.Aggregation("amount", "sum", "7d"), ht.Aggregation("*", "count", "7d")),
        lambda: windows(ht.Aggregation("*", "count", "7d"), ht.Aggregation("amount", "sum", "7d")),
    ),
    "a projection": (rows, lambda: rows()[["amount"]]),
    "another name": (rows, lambda: rows().with_name("paid")),
    "other keys of a row": (rows, lambda: rows().with_join_key_map({"buyer": "payer"})),
    "the name of the upstream": (
        chained,
        lambda: chained(ht.FeatureView("another", entities=["buyer"], source=source(), features=["amount"], ttl="7d")),
    ),
}


@pytest.mark.parametrize(("before", "after"), SAME.values(), ids=SAME)
def test_what_changes_no_answer_changes_no_definition(
    tmp_path: Path, before: Callable[[], Any], after: Callable[[], Any]
) -> None:
    path = tmp_path / "online.db"
    stored(path, before()).materialize(END)
    expected = asked(path, before())
    answer = asked(path, after())
    assert {name: answer[name] for name in expected if name in answer and name != "buyer"} == {
        name: values for name, values in expected.items() if name != "buyer"
    }


def typed(**types: pa.DataType) -> ht.FeatureView:
    """The same view over data in memory of other types."""
    fields = [field.with_type(types.get(field.name, field.type)) for field in ROWS.schema]
    return rows(source=ht.ArrowSource(ROWS.cast(pa.schema(fields)), timestamp_field="ts"))


def test_data_of_other_types_is_told(tmp_path: Path) -> None:
    path = tmp_path / "online.db"
    stored(path, typed()).materialize(END)
    with pytest.raises(ht.StoreError, match=r"another definition.*\n  key buyer: integer -> string\n"):
        asked(path, typed(buyer=pa.string()))
    with pytest.raises(ht.StoreError, match="\n  type of amount: float64 -> float32\n"):
        asked(path, typed(amount=pa.float32()))


def test_data_whose_types_give_the_same_answers_is_no_other_definition(tmp_path: Path) -> None:
    path = tmp_path / "online.db"
    stored(path, typed()).materialize(END)
    for same in (typed(buyer=pa.int8()), typed(ts=pa.timestamp("ms", "UTC")), typed(status=pa.large_string())):
        assert asked(path, same)["amount"] == [1.0]


@pytest.mark.parametrize(
    "data",
    [ROWS.slice(0, 0).cast(pa.schema([f.with_type(pa.string()) for f in ROWS.schema])), ROWS.drop_columns("amount")],
    ids=["without rows", "without the column"],
)
def test_data_that_says_nothing_of_types_does_not_keep_from_reading(tmp_path: Path, data: pa.Table) -> None:
    path = tmp_path / "online.db"
    stored(path, rows()).materialize(END)
    assert asked(path, rows(source=ht.ArrowSource(data, timestamp_field="ts")))["amount"] == [1.0]


def test_a_feature_that_a_view_of_all_columns_lost_is_told(tmp_path: Path) -> None:
    path = tmp_path / "online.db"
    stored(path, rows(features=None)).materialize(END)
    fewer = ht.ArrowSource(ROWS.drop_columns(["status", "seq"]), timestamp_field="ts")
    with pytest.raises(ht.StoreError, match="type of seq: int64 -> none\n  type of status: string -> none"):
        asked(path, rows(features=None, source=fewer))


def test_a_seller_is_not_answered_with_a_buyers_value(tmp_path: Path) -> None:
    path = tmp_path / "online.db"
    stored(path, rows()).materialize(END)
    renamed = rows(entities=["seller"]).with_name("sold").with_join_key_map({"seller": "buyer"})
    with pytest.raises(ht.StoreError, match=r"entities: buyer \(buyer\) -> seller \(seller\)"):
        asked(path, renamed)


def test_features_come_in_the_order_in_which_they_are_declared_now(tmp_path: Path) -> None:
    path = tmp_path / "online.db"
    both = [ht.Aggregation("amount", "sum", "7d"), ht.Aggregation("*", "count", "7d")]
    stored(path, windows(*both)).materialize(END)
    assert asked(path, windows(*both[::-1])) == {"buyer": [1], "count_7d": [1], "sum_amount_7d": [1.0]}


def test_the_text_of_a_query_counts_and_its_table_too(tmp_path: Path) -> None:
    import duckdb

    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE orders AS FROM ROWS".replace(
            "ROWS", "(SELECT 1 AS buyer, TIMESTAMP '2024-01-01' AS ts, 7 AS amount)"
        )
    )
    engine = ht.LocalComputeEngine(connection=connection)
    path = tmp_path / "online.db"

    def of(given: ht.Source) -> ht.FeatureView:
        return rows(source=given)

    query = of(ht.QuerySource("SELECT * FROM orders", timestamp_field="ts"))
    stored(path, query, engine=engine).materialize(END)
    assert asked(path, query)["amount"] == [7]
    with pytest.raises(ht.StoreError, match=r"query: SELECT \* FROM orders -> SELECT \* FROM orders WHERE amount > 7"):
        asked(path, of(ht.QuerySource("SELECT * FROM orders WHERE amount > 7", timestamp_field="ts")))
    with pytest.raises(ht.StoreError, match=r"query: .* -> none\n  table: none -> orders"):
        asked(path, of(ht.TableSource("orders", timestamp_field="ts")))


def test_the_given_types_of_a_file_count_and_its_place_does_not(tmp_path: Path) -> None:
    path = tmp_path / "online.db"
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("buyer,ts,amount\n1,2024-01-01,7\n")
    first = rows(source=ht.FileSource(tmp_path / "a.csv", timestamp_field="ts"))
    stored(path, first).materialize(END)
    assert asked(path, rows(source=ht.FileSource(tmp_path / "b.csv", timestamp_field="ts")))["amount"] == [7]
    typed = ht.FileSource(tmp_path / "a.csv", timestamp_field="ts", schema={"amount": "string"})
    with pytest.raises(ht.StoreError, match="schema: none -> 'amount' string"):
        asked(path, rows(source=typed))


def test_long_texts_are_told_from_where_they_part(tmp_path: Path) -> None:
    path = tmp_path / "online.db"
    long = " or ".join(f"amount = {number}" for number in range(200))
    stored(path, rows(filter=f"{long} or amount = 7")).materialize(END)
    with pytest.raises(ht.StoreError) as raised:
        asked(path, rows(filter=f"{long} or amount = 8"))
    (line,) = (line for line in str(raised.value).splitlines() if "filter" in line)
    assert line.startswith("  filter: …")
    assert " or amount = 199 or amount = 7 -> …" in line
    assert line.endswith(" or amount = 199 or amount = 8")


def test_many_changes_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "online.db"
    stored(path, windows()).materialize(END)
    many = ht.Aggregation.cross(["amount"], ["mean"], [f"{days}d" for days in range(1, 31)])
    with pytest.raises(ht.StoreError, match="\n  and 21 more\n"):
        asked(path, windows(*many))


def test_reading_opens_no_source(tmp_path: Path) -> None:
    path, file = tmp_path / "online.db", tmp_path / "events.parquet"
    pq.write_table(ROWS, file)
    view = rows(source=ht.FileSource(file, timestamp_field="ts"))
    stored(path, view).materialize(END)
    file.unlink()
    assert asked(path, view)["amount"] == [1.0]


OLD = """
CREATE TABLE views (view TEXT PRIMARY KEY, as_of INTEGER NOT NULL, description TEXT NOT NULL);
CREATE TABLE answers (view TEXT, key TEXT, features TEXT NOT NULL, PRIMARY KEY (view, key)) WITHOUT ROWID;
INSERT INTO views VALUES ('spend', 1704153600000000,
    '{"keys": {"buyer": "integer"}, "features": {"spend__amount": "double"}, "empty": "[null]"}');
INSERT INTO answers VALUES ('spend', '[1]', '[1.0]');
"""


def test_a_file_of_an_earlier_version_is_filled_again(tmp_path: Path) -> None:
    path = tmp_path / "online.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(OLD)
    with pytest.raises(ht.StoreError) as raised:
        asked(path, rows())
    assert str(raised.value) == (
        f"feature view 'spend' in {path} was written by an earlier version of hitherto: "
        "call store.materialize(end) to fill it again"
    )
    stored(path, rows()).materialize("2024-01-01")
    assert asked(path, rows())["amount"] == [1.0]
    with closing(sqlite3.connect(path)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert tables == {"hitherto_views", "hitherto_answers_1", "sqlite_autoindex_hitherto_views_1"}


def test_tables_of_the_users_own_stay_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "online.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE views (view TEXT, seen INTEGER); INSERT INTO views VALUES ('home', 3)")
    with pytest.raises(ht.StoreError, match=r"is not in .*: call store\.materialize"):
        asked(path, rows())
    stored(path, rows()).materialize(END)
    assert asked(path, rows())["amount"] == [1.0]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM views").fetchall() == [("home", 3)]


def test_a_file_of_another_version_says_so(tmp_path: Path) -> None:
    path = tmp_path / "online.db"
    stored(path, rows()).materialize(END)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE hitherto_views SET format = 9")
    with pytest.raises(ht.StoreError, match="was written by another version of hitherto"):
        asked(path, rows())
    stored(path, rows()).materialize(END)
    assert asked(path, rows())["amount"] == [1.0]
