"""What was known at the time (``filter_by_created_timestamp``), views without keys, chained views, nested features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hitherto as ht
import pyarrow as pa
import pytest

DAY = 86_400_000_000
T = 20_000 * DAY


def instants(*micros: int | None) -> pa.Array:
    return pa.array(micros, pa.timestamp("us", "UTC"))


def source(rows: list[tuple[Any, ...]], *, created: bool = True, **options: Any) -> ht.ArrowSource:
    """Rows of key, time, created time and value."""
    keys, times, made, values = zip(*rows, strict=True) if rows else ((), (), (), ())
    table = pa.table({
        "k": pa.array(keys, pa.int64()), "ts": instants(*times), "made": instants(*made),
        "v": pa.array(values, pa.int64()),
    })  # fmt: skip
    return ht.ArrowSource(table, timestamp_field="ts", created_timestamp_column="made" if created else None, **options)


def asked(
    views: list[ht.FeatureView], *times: int, known: bool = True, key: int | None = 1, **options: Any
) -> pa.Table:
    rows = pa.table({"k": pa.array([key] * len(times), pa.int64()), "event_timestamp": instants(*times)})
    job = ht.FeatureStore(views).get_historical_features(rows, views, filter_by_created_timestamp=known, **options)
    return job.to_arrow().drop_columns(["k", "event_timestamp"])


def latest(rows: ht.ArrowSource, **options: Any) -> ht.FeatureView:
    return ht.FeatureView("latest", entities=["k"], source=rows, features=["v"], **options)


def test_an_event_is_known_from_the_microsecond_of_its_created_time() -> None:
    view = latest(source([(1, T, T + 5, 7), (1, T - 9, T - 9, 6)]))
    assert asked([view], T + 4, T + 5, T + 6)["v"].to_pylist() == [6, 7, 7]
    assert asked([view], T - 1, T, T + 4, known=False)["v"].to_pylist() == [6, 7, 7]


def test_an_event_that_is_corrected_later_is_answered_as_it_was_known() -> None:
    """A correction of the past comes in after a later event: the later event stays the latest."""
    rows = source([(1, T, T, 1), (1, T + 10, T + 12, 2), (1, T, T + 20, 3), (1, T + 10, T + 30, 4)])
    view = latest(rows)
    assert asked([view], T, T + 11, T + 12, T + 25, T + 29, T + 30)["v"].to_pylist() == [1, 1, 2, 2, 2, 4]


def test_a_null_created_time_is_never_known_and_a_source_without_one_always() -> None:
    rows: list[tuple[Any, ...]] = [(1, T, None, 1), (1, T - 1, T - 1, 2)]
    assert asked([latest(source(rows))], T + DAY)["v"].to_pylist() == [2]
    assert asked([latest(source(rows, created=False))], T + DAY)["v"].to_pylist() == [1]


def test_the_created_time_is_not_shifted_by_the_data_delay() -> None:
    view = latest(source([(1, T, T + 50, 1)], data_delay="100us"))
    assert asked([view], T + 99, T + 100)["v"].to_pylist() == [None, 1]
    view = latest(source([(1, T, T + 150, 1)], data_delay="100us"))
    assert asked([view], T + 149, T + 150)["v"].to_pylist() == [None, 1]


@pytest.mark.parametrize("exact", [True, False])
def test_exact_matches_and_ttl_are_those_of_the_event_time(exact: bool) -> None:
    view = latest(source([(1, T, T - 5, 1)]), ttl="10us", allow_exact_matches=exact)
    found = asked([view], T - 1, T, T + 1, T + 10, T + 11)["v"].to_pylist()
    assert found == [None, 1 if exact else None, 1, 1, None]


def test_the_winner_is_too_old_only_where_every_known_event_is() -> None:
    """The running maximum is the greatest time; an event created later with a lesser time does not replace it."""
    view = latest(source([(1, T, T, 1), (1, T - 8, T + 5, 2)]), ttl="10us")
    assert asked([view], T + 5, T + 10, T + 11)["v"].to_pylist() == [1, 1, None]


def test_times_beyond_all_calendars_are_never_known() -> None:
    far = 2**63 - 1
    view = latest(source([(1, far, T, 1), (1, T, far, 2), (1, T - 5, T, 3)]))
    assert asked([view], T + 1)["v"].to_pylist() == [3]


def test_windows_count_only_what_was_known() -> None:
    aggregations = [ht.Aggregation("v", "sum", "10us", closed="both"), ht.Aggregation("*", "count")]
    rows = source([(1, T, T + 5, 1), (1, T, T, 2), (1, T, None, 4)])
    view = ht.FeatureView("windows", entities=["k"], source=rows, aggregations=aggregations)
    found = asked([view], T + 4, T + 5, T + 10, T + 11)
    assert found["sum_v_10us"].to_pylist() == [2, 3, 3, None]
    assert found["count"].to_pylist() == [1, 2, 2, 2]


def test_views_are_fused_only_where_they_see_the_same_events() -> None:
    rows = source([(1, T, T + 5, 1), (1, T - 5, T - 5, 2)])
    other = ht.ArrowSource(rows.table, timestamp_field="ts")
    views = [latest(rows), ht.FeatureView("plain", entities=["k"], source=other, features=["v"])]
    found = asked(views, T + 1, full_feature_names=True)
    assert (found["latest__v"].to_pylist(), found["plain__v"].to_pylist()) == ([2], [1])


def test_the_explanation_and_the_script_say_what_was_known() -> None:
    view = latest(source([(1, T, T, 1)]))
    rows = pa.table({"k": pa.array([1], pa.int64()), "event_timestamp": instants(T)})
    job = ht.FeatureStore([view]).get_historical_features(rows, view, filter_by_created_timestamp=True)
    assert "created_ts <= t" in str(job.explain())
    assert "RunningMaximum" in str(job.explain())


def test_a_materialization_at_an_end_knows_what_was_created_by_then(tmp_path: Path) -> None:
    view = latest(source([(1, T, T + 5, 1), (2, T, T, 2)]))
    store = ht.FeatureStore([view], online_store=ht.SqliteOnlineStore(tmp_path / "online.db"))
    keys = [{"k": 1}, {"k": 2}, {"k": 3}]
    end = "2024-10-04T00:00:00.000004"
    assert store.materialize(end, filter_by_created_timestamp=True).views["latest"].rows == 1
    assert store.get_online_features("latest", keys).to_dict()["v"] == [None, 2, None]
    assert store.materialize(end).views["latest"].rows == 2
    assert store.get_online_features("latest", keys).to_dict()["v"] == [1, 2, None]


def test_a_view_without_keys_answers_every_row_by_time_alone(tmp_path: Path) -> None:
    rows = source([(1, T, T, 1), (None, T + 5, T + 5, 2)])
    last = ht.FeatureView("last", entities=[], source=rows, features=["v"], ttl="10us")
    total = ht.FeatureView("total", entities=[], source=rows, aggregations=[ht.Aggregation("v", "sum")])
    found = asked([last, total], T - 1, T, T + 5, T + 6, T + 16, known=False, key=None)
    assert found["v"].to_pylist() == [None, 1, 2, 2, None]
    assert found["sum_v"].to_pylist() == [None, None, 1, 3, 3]
    spine = pa.table({"event_timestamp": instants(T + 7)})
    job = ht.FeatureStore([last]).get_historical_features(spine, last)
    assert job.to_arrow()["v"].to_pylist() == [2]
    store = ht.FeatureStore([last, total], online_store=ht.SqliteOnlineStore(tmp_path / "online.db"))
    store.materialize("2024-10-04T00:00:00.000007")
    answers = store.get_online_features(["last", "total"], [{}, {}]).to_dict()
    assert answers == {"v": [2, 2], "sum_v": [3, 3]}
    assert repr(last).startswith("FeatureView('last', on no key, from arrow")


def test_a_view_without_keys_over_no_rows_is_empty(tmp_path: Path) -> None:
    total = ht.FeatureView(
        "total", entities=[], source=source([]), aggregations=[ht.Aggregation("*", "count"), ht.Aggregation("v", "max")]
    )
    store = ht.FeatureStore([total], online_store=ht.SqliteOnlineStore(tmp_path / "online.db"))
    store.materialize("2024-10-04")
    assert store.get_online_features("total", [{}]).to_dict() == {"count": [0], "max_v": [None]}


def test_a_chained_view_reads_filtered_and_computed_rows_under_its_own_keys() -> None:
    table = pa.table({
        "user": pa.array([1, 2, 3, None], pa.int64()), "country": ["de", "de", "fr", "de"], "ts": instants(T, T, T, T),
        "amt": pa.array([1, 20, 30, 40], pa.int64()),
    })  # fmt: skip
    rows = ht.ArrowSource(table, timestamp_field="ts", field_mapping={"amt": "amount"}, data_delay="5us", unique=True)
    users = ht.FeatureView(
        "users", entities=["user"], source=rows, filter="amount > 1", columns={"double": "amount * 2"}, ttl="1us"
    )
    countries = ht.FeatureView(
        "countries", entities=["country"], source=users, filter="double < 80",
        aggregations=[ht.Aggregation("double", "sum"), ht.Aggregation("user", "count")],
    )  # fmt: skip
    again = ht.FeatureView("again", entities=["country"], source=users)
    assert again.schema.names == ("user", "amount", "double")
    spine = pa.table({"country": ["de", "de", "fr"], "event_timestamp": instants(T + 5, T + 6, T + 6)})
    found = ht.FeatureStore([countries, again]).get_historical_features(spine, [countries, again]).to_arrow()
    assert found["sum_double"].to_pylist() == [None, 40, 60]
    assert found["count_user"].to_pylist() == [0, 1, 1]
    # The source is unique for users; by country there are ties, which the features decide: null users are least.
    assert found["user"].to_pylist() == [2, 2, 3]
    assert found["double"].to_pylist() == [40, 40, 60]


def test_problems_of_a_chained_view_name_what_it_reads() -> None:
    users = ht.FeatureView("users", entities=["k"], source=source([(1, T, T, 1)]), columns={"double": "v * 2"})
    with pytest.raises(ht.UnknownColumnError, match="upstream view 'users' has no key column 'country'"):
        _ = ht.FeatureView("chained", entities=["country"], source=users).schema
    with pytest.raises(ht.UnknownColumnError, match=r"upstream view 'users' has no column 'dubble'(.|\n)*did you mean"):
        _ = ht.FeatureView("chained", entities=["v"], source=users, features=["dubble"]).schema


def test_lists_and_structs_pass_through() -> None:
    values = [{"a": 1, "b": [T // 1_000_000, None]}, None]
    nested = pa.struct([("a", pa.int32()), ("b", pa.list_(pa.timestamp("s", "Europe/Berlin")))])
    table = pa.table({
        "k": pa.array([1, 1], pa.int64()), "ts": instants(T, T + 1), "seq": pa.array([1, 2], pa.int32()),
        "s": pa.array(values, nested), "l": pa.array([["x", None], []], pa.large_list(pa.large_string())),
    })  # fmt: skip
    rows = ht.ArrowSource(table, timestamp_field="ts", sequence_columns=["seq"])
    view = ht.FeatureView("nested", entities=["k"], source=rows)
    found = asked([view], T - 1, T, T + 1, known=False)
    assert found.schema.field("l").type == pa.list_(pa.string())
    assert found["l"].to_pylist() == [None, ["x", None], []]
    assert found["s"].combine_chunks().field("a").to_pylist()[1] == 1
    assert found["s"].to_pylist()[1:] == [table["s"].to_pylist()[0], None]
    plain = ht.ArrowSource(table, timestamp_field="ts")
    with pytest.raises(ht.DefinitionError, match=r"is struct<.*which has no order to break ties by"):
        _ = ht.FeatureView("nested", entities=["k"], source=plain, features=["s"]).schema


def test_two_keys_from_one_column_of_the_spine() -> None:
    table = pa.table({
        "home": pa.array([1, 1], pa.int64()), "away": pa.array([1, 2], pa.int64()), "ts": instants(T, T + 1),
        "v": pa.array([7, 8], pa.int64()),
    })  # fmt: skip
    view = ht.FeatureView("games", entities=["home", "away"], source=ht.ArrowSource(table, timestamp_field="ts"))
    use = view.with_join_key_map({"home": "k", "away": "k"})
    rows = pa.table({"k": pa.array([1], pa.int64()), "event_timestamp": instants(T + 5)})
    assert ht.FeatureStore([use]).get_historical_features(rows, use).to_arrow()["v"].to_pylist() == [7]
