"""What people declare: immutable values with readable names, and every mistake told at once."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import hitherto as ht
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hitherto.planner.durations import format_duration, format_instant, parse_duration, parse_instant
from hitherto.planner.expr.aggregates import AGGREGATES
from hitherto.planner.features.aggregations import _OF_OTHER_TOOLS
from hitherto.planner.physical import FORM_NAMES

DATA = pa.table({"user_id": [1], "ts": pa.array([10], pa.timestamp("us")), "amount": [1.5], "status": ["ok"]})
SOURCE = ht.ArrowSource(DATA, timestamp_field="ts")
SUM = ht.Aggregation("amount", "sum", "7d")
DAY = 86_400_000_000


def view(**changes: Any) -> ht.FeatureView:
    return ht.FeatureView(**{"name": "spend", "entities": ["user_id"], "source": SOURCE} | changes)


def files(path: Any = "data/tx.parquet", **changes: Any) -> ht.FileSource:
    return ht.FileSource(path, **{"timestamp_field": "ts"} | changes)


DEFINITIONS: dict[str, Callable[[], Any]] = {
    "entity": lambda: ht.Entity("user", join_keys=["user_id"]),
    "files": lambda: files(field_mapping={"amt": "amount"}, data_delay="1h"),
    "arrow": lambda: ht.ArrowSource(DATA, timestamp_field="ts", sequence_columns=["amount"]),
    "aggregation": lambda: ht.Aggregation("amount", "sum", "7d", where="status = 'ok'"),
    "view": lambda: view(filter="amount > 1", columns={"usd": "amount * 2"}, ttl="90d", tags={"team": "risk"}),
    "windows": lambda: view(aggregations=[SUM], post_aggregation={"half": "sum_amount_7d / 2"}),
    "projection": lambda: view()[["amount"]].with_name("other").with_join_key_map({"user_id": "payer"}),
    "service": lambda: ht.FeatureService("fraud", [view(), "spend:amount"]),
}


@pytest.mark.parametrize("make", DEFINITIONS.values(), ids=DEFINITIONS)
def test_definitions_of_equal_parts_are_equal_and_hash_alike(make: Callable[[], Any]) -> None:
    assert make() == make()
    assert len({make(), make()}) == 1


@pytest.mark.parametrize("make", DEFINITIONS.values(), ids=DEFINITIONS)
def test_a_definition_cannot_be_changed(make: Callable[[], Any]) -> None:
    made = make()
    with pytest.raises(AttributeError, match=r"is immutable: make a new one instead of setting 'name'"):
        made.name = "other"
    with pytest.raises(AttributeError, match="is immutable"):
        del made.name


def test_the_parts_of_a_definition_cannot_be_changed() -> None:
    made = view(columns={"usd": "amount"}, tags={"team": "risk"})
    for part in (made.columns, made.tags, made.post_aggregation, files().field_mapping):
        with pytest.raises(TypeError):
            part["more"] = "1"  # type: ignore[index]


def test_a_definition_does_not_follow_the_lists_it_was_made_of() -> None:
    keys, columns, aggregations = ["user_id"], {"usd": "amount"}, [SUM]
    made = view(entities=keys, columns=columns, aggregations=aggregations)
    keys.append("more"), columns.update(more="1"), aggregations.clear()
    assert made == view(columns={"usd": "amount"}, aggregations=[SUM])


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"entities": ["amount"]},
        {"source": ht.ArrowSource(DATA, timestamp_field="ts", unique=True)},
        {"filter": "amount > 1"},
        {"columns": {"usd": "amount"}},
        {"features": ["amount"]},
        {"ttl": "1d"},
        {"allow_exact_matches": False},
        {"aggregations": [SUM]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_views_that_differ_in_one_part_are_not_equal(changes: dict[str, Any]) -> None:
    assert view(**changes) != view()


def test_a_definition_is_not_equal_to_one_of_another_kind() -> None:
    assert ht.Entity("user") != ht.FeatureService("user", ["spend"])
    assert view() != "spend"


def test_in_memory_data_compares_by_identity() -> None:
    assert ht.ArrowSource(DATA, timestamp_field="ts") == SOURCE
    assert ht.ArrowSource(DATA.slice(0), timestamp_field="ts") != SOURCE


def test_equal_durations_in_other_words_are_equal() -> None:
    assert ht.Aggregation("amount", "sum", "1w") == ht.Aggregation("amount", "sum", timedelta(days=7))
    assert view(ttl="36h") == view(ttl="1d12h")


def test_a_ttl_of_zero_is_no_ttl() -> None:
    assert view(ttl="0s") == view()


def test_a_parameter_belongs_to_an_aggregation_and_not_to_its_name() -> None:
    half, most = ht.Aggregation("a", "percentile", "1d", p=0.5), ht.Aggregation("a", "percentile", "1d", p=0.9)
    assert half.name == most.name == "percentile_a_1d"
    assert half != most
    assert ht.Aggregation("a", "percentile", "1d", p=1) == ht.Aggregation("a", "percentile", "1d", p=1.0)
    assert repr(most) == "Aggregation('a', 'percentile', [t-1d, t), p=0.9) -> percentile_a_1d"
    assert dict(most.params) == {"p": 0.9}
    assert pickle.loads(pickle.dumps(most)) == most


def test_a_cross_gives_its_parameter_to_every_function() -> None:
    made = ht.Aggregation.cross(["a"], ["first_n", "last_n"], ["1d"], n=3)
    assert [(each.function, each.parameter) for each in made] == [("first_n", 3), ("last_n", 3)]
    with pytest.raises(ht.DefinitionError, match="sum takes no parameter 'n'"):
        ht.Aggregation.cross(["a"], ["first_n", "sum"], ["1d"], n=3)


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (ht.Aggregation("usd", "sum", timedelta(hours=24)), "sum_usd_1d"),
        (ht.Aggregation("usd", "sum", "1w"), "sum_usd_7d"),
        (ht.Aggregation("usd", "mean", "90m"), "mean_usd_90m"),
        (ht.Aggregation("usd", "max", "1500ms"), "max_usd_1500ms"),
        (ht.Aggregation("usd", "max", "7us"), "max_usd_7us"),
        (ht.Aggregation("*", "count", "1h"), "count_1h"),
        (ht.Aggregation("*", "count"), "count"),
        (ht.Aggregation("plan", "last"), "last_plan"),
        (ht.Aggregation("usd", "sum", "7d", offset="1d"), "sum_usd_7d_offset_1d"),
        (ht.Aggregation("usd", "sum", offset="90s"), "sum_usd_offset_90s"),
        (ht.Aggregation("usd", "sum", "7d", closed="right", where="usd > 1", slide_interval="1h"), "sum_usd_7d"),
        (ht.Aggregation("usd", "sum", "7d", name="spent"), "spent"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_aggregation_is_named_after_function_column_window_and_offset(made: ht.Aggregation, name: str) -> None:
    assert made.name == name


def test_cross_makes_every_combination_with_columns_outermost() -> None:
    made = ht.Aggregation.cross(["a", "b"], ["mean", "max"], ["1d", None], closed="both", where="a > 1")
    names = "mean_a_1d mean_a max_a_1d max_a mean_b_1d mean_b max_b_1d max_b"
    assert [item.name for item in made] == names.split()
    assert {(item.closed, item.where) for item in made} == {("both", "a > 1")}


def test_cross_of_nothing_is_empty() -> None:
    assert ht.Aggregation.cross([], ["sum"], ["1d"]) == []


def test_join_keys_default_to_the_entitys_name() -> None:
    assert ht.Entity("user_id").join_keys == ("user_id",)
    assert view(entities=["user_id"]) == view(entities=[ht.Entity("user_id")])


def test_the_join_keys_of_a_view_are_those_of_its_entities_in_order() -> None:
    made = view(entities=[ht.Entity("route", join_keys=["origin", "dest"]), "carrier"])
    assert made.join_keys == ("origin", "dest", "carrier")


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (ht.Entity("user", join_keys=["user_id"]), "Entity('user', join_keys=['user_id'])"),
        (SOURCE, "ArrowSource(1 rows of user_id, ts, amount, status; by ts)"),
        (SUM, "Aggregation('amount', 'sum', [t-7d, t)) -> sum_amount_7d"),
        (ht.Aggregation("a", "sum", where="b"), "Aggregation('a', 'sum', (-inf, t), where='b') -> sum_a"),
        (view(), "FeatureView('spend', on user_id, from arrow, ts <= t)"),
        (view(ttl="90d"), "FeatureView('spend', on user_id, from arrow, ts <= t, ttl 90d)"),
        (view(allow_exact_matches=False), "FeatureView('spend', on user_id, from arrow, ts < t)"),
        (
            view(aggregations=[SUM, ht.Aggregation("amount", "max", "7d"), ht.Aggregation("*", "count")]),
            "FeatureView('spend', on user_id, from arrow, [t-7d, t), (-inf, t), 3 aggregations)",
        ),
        (
            view()[["amount"]].with_name("paid").with_join_key_map({"user_id": "payer"}),
            "FeatureViewProjection('paid', amount, user_id from payer, "
            "of FeatureView('spend', on user_id, from arrow, ts <= t))",
        ),
        (ht.FeatureService("fraud", ["spend:amount"]), "FeatureService('fraud', ['spend:amount'])"),
    ],
    ids=lambda value: "" if isinstance(value, str) else type(value).__name__,
)
def test_the_repr_is_readable_and_states_the_time_bound(made: object, text: str) -> None:
    assert repr(made) == text


@pytest.mark.parametrize(
    ("options", "bound"),
    [
        ({}, "[t-7d, t)"),
        ({"closed": "right"}, "(t-7d, t]"),
        ({"closed": "both"}, "[t-7d, t]"),
        ({"closed": "neither"}, "(t-7d, t)"),
        ({"offset": "1d"}, "[t-8d, t-1d)"),
        ({"time_window": None, "offset": "1d", "closed": "right"}, "(-inf, t-1d]"),
        ({"slide_interval": "1h"}, "[floor(t, 1h)-7d, floor(t, 1h))"),
        ({"slide_interval": "1h", "offset": "1d"}, "[floor(t-1d, 1h)-7d, floor(t-1d, 1h))"),
    ],
    ids=str,
)
def test_the_bound_of_an_aggregation_is_its_window(options: dict[str, Any], bound: str) -> None:
    assert ht.Aggregation(**{"column": "usd", "function": "sum", "time_window": "7d"} | options).bound == bound


WRONG: dict[str, tuple[Callable[[], Any], type[ht.HithertoError], str]] = {
    "entity with an empty name": (
        lambda: ht.Entity(""),
        ht.DefinitionError,
        "entity '': '' is not a name; give a text that is not empty",
    ),
    "entity with a colon": (
        lambda: ht.Entity("a:b"),
        ht.DefinitionError,
        "entity 'a:b': the name 'a:b' holds a colon, which separates view and feature",
    ),
    "join_keys of one string": (
        lambda: ht.Entity("user", join_keys="user_id"),
        ht.DefinitionError,
        "entity 'user': join_keys is a single string, 'user_id'; give a list",
    ),
    "join_keys that is empty": (
        lambda: ht.Entity("user", join_keys=[]),
        ht.DefinitionError,
        "entity 'user': join_keys is empty; leave it out to use the entity's own name",
    ),
    "join key that is a number": (
        lambda: ht.Entity("user", join_keys=["a", 1]),  # type: ignore[list-item]
        ht.DefinitionError,
        "entity 'user': join_keys holds 1, which is not a name",
    ),
    "join keys twice": (
        lambda: ht.Entity("user", join_keys=["a", "a"]),
        ht.DefinitionError,
        "entity 'user': join_keys: 'a' is there twice; give one of them another name with name=",
    ),
    "join keys alike but for case": (
        lambda: ht.Entity("user", join_keys=["a", "A"]),
        ht.DefinitionError,
        "entity 'user': join_keys: 'a' and 'A' differ only by case, which engines ignore",
    ),
    "no paths": (
        lambda: files([]),
        ht.DefinitionError,
        "FileSource: the list of paths is empty",
    ),
    "data that is no table": (
        lambda: ht.ArrowSource([1, 2], timestamp_field="ts"),
        ht.DefinitionError,
        "ArrowSource: list is not tabular; give pandas, Polars or Arrow data, or a FileSource",
    ),
    "sequence_columns of one string": (
        lambda: files(sequence_columns="seq"),
        ht.DefinitionError,
        "source 'tx': sequence_columns is a single string, 'seq'; give a list",
    ),
    "mapping of the timestamp": (
        lambda: files(field_mapping={"ts": "time"}),
        ht.DefinitionError,
        "source 'tx': field_mapping renames 'ts', but timestamps and sequence columns keep theirs",
    ),
    "mapping of the created timestamp": (
        lambda: files(created_timestamp_column="made", field_mapping={"made": "time"}),
        ht.DefinitionError,
        "source 'tx': field_mapping renames 'made', but timestamps and sequence columns keep theirs",
    ),
    "mapping of a sequence column": (
        lambda: files(sequence_columns=["seq"], field_mapping={"seq": "time"}),
        ht.DefinitionError,
        "source 'tx': field_mapping renames 'seq', but timestamps and sequence columns keep theirs",
    ),
    "mapping of two columns to one": (
        lambda: files(field_mapping={"a": "x", "b": "x"}),
        ht.DefinitionError,
        "source 'tx': field_mapping: 'x' is there twice; give one of them another name with name=",
    ),
    "negative data_delay": (
        lambda: files(data_delay=timedelta(seconds=-1)),
        ht.DefinitionError,
        f"source 'tx': data_delay: the duration {timedelta(seconds=-1)!r} is negative",
    ),
    "window of zero": (
        lambda: ht.Aggregation("a", "sum", "0s"),
        ht.DefinitionError,
        "aggregation sum('a'): time_window is zero; give a positive one, or None for a lifetime window",
    ),
    "slide of zero": (
        lambda: ht.Aggregation("a", "sum", "1d", slide_interval="0s"),
        ht.DefinitionError,
        "aggregation sum('a'): slide_interval is zero; give a positive one, or None for exact windows",
    ),
    "negative offset": (
        lambda: ht.Aggregation("a", "sum", "1d", offset=-timedelta(days=1)),
        ht.DefinitionError,
        f"aggregation sum('a'): offset: the duration {timedelta(days=-1)!r} is negative",
    ),
    "aggregate that does not exist": (
        lambda: ht.Aggregation("a", "smu", "1d"),
        ht.DefinitionError,
        f"aggregation smu('a'): no aggregate 'smu'\n  aggregates: {', '.join(AGGREGATES)}\n  did you mean 'sum'?",
    ),
    "sum of *": (
        lambda: ht.Aggregation("*", "sum"),
        ht.DefinitionError,
        "aggregation sum('*'): only count takes '*'; name a column",
    ),
    "parameter that does not exist": (
        lambda: ht.Aggregation("a", "sum", p=0.5),
        ht.DefinitionError,
        "aggregation sum('a'): sum takes no parameter 'p'",
    ),
    "parameter of another function": (
        lambda: ht.Aggregation("a", "percentile", p=0.5, n=2),
        ht.DefinitionError,
        "aggregation percentile('a'): percentile takes no parameter 'n', but p, a number from 0 to 1",
    ),
    "parameter that is missing": (
        lambda: ht.Aggregation("a", "top_k"),
        ht.DefinitionError,
        "aggregation top_k('a'): top_k needs k=, a whole number from 1 to 999999",
    ),
    "percentile out of range": (
        lambda: ht.Aggregation("a", "percentile", p=95),
        ht.DefinitionError,
        "aggregation percentile('a'): p=95; give a number from 0 to 1",
    ),
    "percentile that is NaN": (
        lambda: ht.Aggregation("a", "percentile", p=float("nan")),
        ht.DefinitionError,
        "aggregation percentile('a'): p=nan; give a number from 0 to 1",
    ),
    "percentile of another type": (
        lambda: ht.Aggregation("a", "percentile", p="0.5"),
        ht.DefinitionError,
        "aggregation percentile('a'): p='0.5'; give a number from 0 to 1",
    ),
    "length that is not positive": (
        lambda: ht.Aggregation("a", "last_n", n=0),
        ht.DefinitionError,
        "aggregation last_n('a'): n=0; give a whole number from 1 to 999999",
    ),
    "length that is not whole": (
        lambda: ht.Aggregation("a", "last_n", n=2.0),
        ht.DefinitionError,
        "aggregation last_n('a'): n=2.0; give a whole number from 1 to 999999",
    ),
    "length that is a condition": (
        lambda: ht.Aggregation("a", "first_distinct_n", n=True),
        ht.DefinitionError,
        "aggregation first_distinct_n('a'): n=True; give a whole number from 1 to 999999",
    ),
    "closed that does not exist": (
        lambda: ht.Aggregation("a", "sum", "1d", closed="lft"),  # type: ignore[arg-type]
        ht.DefinitionError,
        "aggregation sum('a'): closed='lft' is none of 'left', 'right', 'both', 'neither'",
    ),
    "aggregation with an empty name": (
        lambda: ht.Aggregation("a", "sum", "1d", name=""),
        ht.DefinitionError,
        "aggregation sum('a'): '' is not a name; give a text that is not empty",
    ),
    "view with a colon": (
        lambda: view(name="a:b"),
        ht.DefinitionError,
        "feature view 'a:b': the name 'a:b' holds a colon, which separates view and feature",
    ),
    "source that is a path": (
        lambda: view(source="tx.parquet"),
        ht.DefinitionError,
        "feature view 'spend': source is a str; give a source such as FileSource, or a feature view",
    ),
    "one entity": (
        lambda: view(entities=ht.Entity("user_id")),
        ht.DefinitionError,
        "feature view 'spend': entities is a single Entity; give a list",
    ),
    "one entity's name": (
        lambda: view(entities="user_id"),
        ht.DefinitionError,
        "feature view 'spend': entities is a single str; give a list",
    ),
    "no entities": (
        lambda: view(entities=None),
        ht.DefinitionError,
        "feature view 'spend': entities is None; give a list",
    ),
    "chained on aggregates": (
        lambda: view(source=view(name="upstream", features=None, aggregations=[ht.Aggregation("*", "count")])),
        ht.UnsupportedError,
        "feature view 'spend': view 'upstream' has aggregations, and a view chained on those is not supported; "
        "chain on a view of rows, or give its source",
    ),
    "keys of two entities alike": (
        lambda: view(entities=["a", "a"]),
        ht.DefinitionError,
        "feature view 'spend': join keys: 'a' is there twice; give one of them another name with name=",
    ),
    "features of one string": (
        lambda: view(features="amount"),
        ht.DefinitionError,
        "feature view 'spend': features is a single string, 'amount'; give a list",
    ),
    "features twice": (
        lambda: view(features=["amount", "amount"]),
        ht.DefinitionError,
        "feature view 'spend': features: 'amount' is there twice; give one of them another name with name=",
    ),
    "ttl that is a number": (
        lambda: view(ttl=5),
        ht.DefinitionError,
        "feature view 'spend': ttl: 5 is not a duration: give a timedelta or a text such as '7d' or '1h30m'",
    ),
    "column with an empty name": (
        lambda: view(columns={"": "1"}),
        ht.DefinitionError,
        "feature view 'spend': '' is not a name; give a text that is not empty",
    ),
    "two aggregations of one name": (
        lambda: view(aggregations=[SUM, ht.Aggregation("amount", "sum", "7d", where="status = 'ok'")]),
        ht.DefinitionError,
        "feature view 'spend': features: 'sum_amount_7d' is there twice; give one of them another name with name=",
    ),
    "post_aggregation of an aggregation's name": (
        lambda: view(aggregations=[SUM], post_aggregation={"SUM_amount_7d": "1"}),
        ht.DefinitionError,
        "feature view 'spend': features: 'sum_amount_7d' and 'SUM_amount_7d' differ only by case, which engines ignore",
    ),
    "ttl with aggregations": (
        lambda: view(ttl="1d", aggregations=[SUM]),
        ht.DefinitionError,
        "feature view 'spend': ttl does not apply to aggregations; use their time_window",
    ),
    "allow_exact_matches with aggregations": (
        lambda: view(allow_exact_matches=False, aggregations=[SUM]),
        ht.DefinitionError,
        "feature view 'spend': allow_exact_matches does not apply to aggregations; use their closed=",
    ),
    "features with aggregations": (
        lambda: view(features=["amount"], aggregations=[SUM]),
        ht.DefinitionError,
        "feature view 'spend': features does not apply to aggregations; each aggregation names its feature",
    ),
    "post_aggregation without aggregations": (
        lambda: view(post_aggregation={"half": "amount / 2"}),
        ht.DefinitionError,
        "feature view 'spend': post_aggregation needs aggregations; use columns= for row-level expressions",
    ),
    "projection by one string": (
        lambda: view()["amount"],
        ht.DefinitionError,
        "feature view 'spend': project with a list, as in spend[['amount']]",
    ),
    "projection twice": (
        lambda: view()[["amount", "amount"]],
        ht.DefinitionError,
        "feature view 'spend': features: 'amount' is there twice; give one of them another name with name=",
    ),
    "with_name with a colon": (
        lambda: view().with_name("a:b"),
        ht.DefinitionError,
        "feature view 'spend': with_name: the name 'a:b' holds a colon, which separates view and feature",
    ),
    "with_name of nothing": (
        lambda: view().with_name(""),
        ht.DefinitionError,
        "feature view 'spend': with_name: '' is not a name; give a text that is not empty",
    ),
    "with_join_key_map of no key": (
        lambda: view().with_join_key_map({"user": "payer"}),
        ht.UnknownColumnError,
        "feature view 'spend': join_key_map names no key of the view: 'user'\n"
        "  keys: user_id\n  did you mean 'user_id'?",
    ),
    "service of one string": (
        lambda: ht.FeatureService("fraud", "spend:amount"),
        ht.DefinitionError,
        "feature service 'fraud': features is a single string; give a list",
    ),
    "disabled_rules of one string": (
        lambda: ht.PlannerOptions(disabled_rules="merge_filters"),  # type: ignore[arg-type]
        ht.DefinitionError,
        "disabled_rules is a single string, 'merge_filters'; give a tuple of names",
    ),
    "statistics that do not exist": (
        lambda: ht.PlannerOptions(statistics="some"),
        ht.DefinitionError,
        "statistics='some' is none of 'full', 'off'",
    ),
    "a level of statistics that there is no more": (
        lambda: ht.PlannerOptions(statistics="metadata"),
        ht.DefinitionError,
        "statistics='metadata' is none of 'full', 'off'",
    ),
    "a form that does not exist": (
        lambda: ht.PlannerOptions(forms={"spend": "BucketWindows"}),
        ht.DefinitionError,
        "forms: view 'spend' has no form 'BucketWindows'\n"
        f"  forms: {', '.join(FORM_NAMES)}\n  did you mean 'BucketedWindows'?",
    ),
    "forms that are no dictionary": (
        lambda: ht.PlannerOptions(forms="NarrowAsof"),  # type: ignore[arg-type]
        ht.DefinitionError,
        "forms is 'NarrowAsof'; give a dictionary of forms by view",
    ),
    "a form that is no name": (
        lambda: ht.PlannerOptions(forms={"spend": None}),  # type: ignore[dict-item]
        ht.DefinitionError,
        "forms: 'spend' has None; give the name of a form by the name of a view",
    ),
    "a form of a view that does not exist": (
        lambda: ht.FeatureStore([view()], planner_options=ht.PlannerOptions(forms={"spnd": "NarrowAsof"})),
        ht.DefinitionError,
        "planner_options: forms: no feature view 'spnd'\n  views: spend\n  did you mean 'spend'?",
    ),
}


@pytest.mark.parametrize(("make", "error", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_definition_says_what_and_where(
    make: Callable[[], Any], error: type[ht.HithertoError], message: str
) -> None:
    with pytest.raises(error) as raised:
        make()
    assert type(raised.value) is error
    assert str(raised.value) == message


WRONG_TYPES: dict[str, tuple[Callable[[], Any], str]] = {
    "entity that is a number": (lambda: ht.Entity(5), "5 is not a name"),  # type: ignore[arg-type]
    "view over an entity that is a number": (lambda: view(entities=[5]), "5, which is not a name"),
    "path that is a number": (lambda: files(5), "FileSource.* 5"),
    "timestamp_field that is missing": (lambda: files(timestamp_field=None), "source 'tx'.*timestamp_field.* None"),
    "aggregation of a number": (lambda: ht.Aggregation(5, "sum", "1d"), r"aggregation sum\(5\)"),  # type: ignore[arg-type]
    "columns that is a text": (lambda: view(columns="usd"), "feature view 'spend'.*columns"),
    "one aggregation": (lambda: view(aggregations=SUM), "feature view 'spend'.*aggregations"),
    "aggregation that is a text": (lambda: view(aggregations=["sum_amount_7d"]), "feature view 'spend'.*aggregations"),
}


@pytest.mark.parametrize(("make", "message"), WRONG_TYPES.values(), ids=WRONG_TYPES)
def test_a_part_of_the_wrong_type_is_a_definition_error(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ht.DefinitionError, match=message):
        make()


def test_an_unknown_rule_is_told_with_the_nearest_name() -> None:
    with pytest.raises(ht.DefinitionError, match=r"no rule 'merge_filter'(.|\n)*did you mean 'merge_filters'\?"):
        ht.PlannerOptions(disabled_rules=("merge_filter",))


def test_all_problems_of_a_definition_come_at_once() -> None:
    with pytest.raises(ht.DefinitionError) as raised:
        ht.Aggregation("a", "sum", "1mo", slide_interval="0s", closed="lft", name="a:b", p=1)  # type: ignore[arg-type]
    assert len(raised.value.problems) == 5
    first, *lines = str(raised.value).splitlines()
    assert first == "5 problems"
    assert [line[:2] for line in lines] == ["1.", "2.", "3.", "4.", "5."]


def test_problems_of_one_class_keep_it_and_mixed_ones_are_definition_errors() -> None:
    counted = view(name="upstream", aggregations=[ht.Aggregation("*", "count")])
    with pytest.raises(ht.UnsupportedError):
        view(source=counted)
    with pytest.raises(ht.DefinitionError) as raised:
        view(source=counted, ttl="1y")
    assert type(raised.value) is ht.DefinitionError
    assert len(raised.value.problems) == 2


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("7d", 7 * DAY),
        ("1w", 7 * DAY),
        ("1h30m", 5_400_000_000),
        ("1d 12h", 36 * 3_600_000_000),
        ("15s", 15_000_000),
        ("250ms", 250_000),
        ("3us", 3),
        ("0s", 0),
        ("7 days", 7 * DAY),
        ("1 day", DAY),
        ("2 Weeks 1 hr", 14 * DAY + 3_600_000_000),
        ("1 hour 30 minutes", 5_400_000_000),
        ("15 sec", 15_000_000),
        ("15min", 900_000_000),
        ("7D", 7 * DAY),
        ("1H30MIN", 5_400_000_000),
        ("5 µs 2 milliseconds", 2_005),
        (timedelta(days=2, microseconds=1), 2 * DAY + 1),
    ],
    ids=str,
)
def test_a_duration_is_a_timedelta_or_a_text_with_units(text: timedelta | str, micros: int) -> None:
    assert parse_duration(text) == micros


@pytest.mark.parametrize("text", ["1mo", "1month", "2y", "1year", "1q", "1d1mo", "3 months"])
def test_months_and_years_are_refused_because_they_have_no_fixed_length(text: str) -> None:
    with pytest.raises(ht.DefinitionError, match="months and years have no fixed length; use w d h m s ms us"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("7x", "'7x' is not a duration: unknown unit 'x'; use w d h m s ms us"),
        (
            "1M",
            "'1M' is not a duration: 'M' may be minutes, which are 'm' or 'min', or months, which have no fixed length"
            "; use w d h m s ms us",
        ),
        ("1MS", "'1MS' is not a duration: unknown unit 'MS'; use w d h m s ms us"),
        (
            "5ns",
            "'5ns' is not a duration: a nanosecond is finer than the microsecond of times; use w d h m s ms us",
        ),
        ("7 d ays", "'7 d ays' is not a duration: write it like '7d', '1h30m' or '250ms' (w d h m s ms us)"),
        ("-7 days", "the duration '-7 days' is negative"),
        ("", "'' is not a duration: write it like '7d', '1h30m' or '250ms' (w d h m s ms us)"),
        ("d7", "'d7' is not a duration: write it like '7d', '1h30m' or '250ms' (w d h m s ms us)"),
        ("1.5h", "'1.5h' is not a duration: write it like '7d', '1h30m' or '250ms' (w d h m s ms us)"),
        ("-1d", "the duration '-1d' is negative"),
        (timedelta(-1), f"the duration {timedelta(-1)!r} is negative"),
        ("9999999d", "the duration '9999999d' is longer than 10,000 years; leave it out for no bound"),
        (7, "7 is not a duration: give a timedelta or a text such as '7d' or '1h30m'"),
    ],
    ids=str,
)
def test_a_wrong_duration_says_why(value: Any, message: str) -> None:
    with pytest.raises(ht.DefinitionError) as raised:
        parse_duration(value)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("yesterday", "'yesterday' is not an instant: write it like '2024-01-31T18:00:00+00:00'"),
        (5, "5 is not an instant: give a datetime or an ISO text"),
    ],
)
def test_a_wrong_instant_says_why(value: Any, message: str) -> None:
    with pytest.raises(ht.DefinitionError) as raised:
        parse_instant(value)
    assert str(raised.value) == message


def test_durations_and_instants_are_printed_as_they_are_written() -> None:
    assert [format_duration(parse_duration(text)) for text in ("24h", "1w", "90m", "1ms1us")] == [
        "1d", "7d", "90m", "1001us",
    ]  # fmt: skip
    assert format_instant(parse_instant("2024-01-01T02:00:00+02:00")) == "2024-01-01 00:00:00"


def test_a_relative_path_is_resolved_when_it_is_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(DATA, tmp_path / "tx.parquet")
    monkeypatch.chdir(tmp_path)
    source = files("tx.parquet")
    monkeypatch.chdir("/")
    assert source.paths == (os.fspath(tmp_path / "tx.parquet"),)
    assert view(source=source).schema.names == ("amount", "status")


def test_a_path_is_a_text_a_path_or_a_list_of_both() -> None:
    path = Path("data/tx.parquet")
    assert files(path) == files("data/tx.parquet") == files(["data/tx.parquet"])
    assert files([path, "data/*.parquet"]).paths == (os.path.abspath(path), os.path.abspath("data/*.parquet"))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("data/transactions.parquet", "transactions"),
        ("data/transactions/*.parquet", "transactions"),
        ("data/transactions/year=*/*.parquet", "transactions"),
        ("data/transactions/**/part-?.parquet", "transactions"),
        ("data/transactions/*/part.parquet", "transactions"),
    ],
)
def test_a_file_source_is_called_by_its_stem_or_its_folder(path: str, name: str) -> None:
    assert files(path).name == name


@pytest.mark.parametrize("data", [DATA.to_pandas(), pl.from_arrow(DATA), DATA, DATA.to_batches()[0]], ids=type)
def test_an_arrow_source_takes_anything_tabular(data: Any) -> None:
    assert view(source=ht.ArrowSource(data, timestamp_field="ts")).schema.names == ("amount", "status")


def test_a_pandas_index_is_no_column_of_an_arrow_source() -> None:
    data = DATA.to_pandas().set_index(pd.Index([7], name="row"))
    assert "row" not in view(source=ht.ArrowSource(data, timestamp_field="ts")).schema.names


def test_the_schema_lists_names_and_types_of_the_features() -> None:
    assert repr(view(columns={"twice": "amount * 2"}).schema) == (
        "Schema(amount: float64, status: string, twice: float64)"
    )
    assert repr(view(aggregations=[SUM, ht.Aggregation("*", "count")]).schema) == (
        "Schema(sum_amount_7d: float64, count: int64)"
    )


def test_features_leave_out_keys_timestamps_and_sequence_columns() -> None:
    source = ht.ArrowSource(DATA, timestamp_field="ts", sequence_columns=["status"], field_mapping={"amount": "usd"})
    assert view(source=source).schema.names == ("usd",)


def test_a_projection_has_the_features_it_names() -> None:
    assert view()[["status"]].schema.names == ("status",)
    assert view().with_name("other").schema == view().schema


def test_a_projection_of_an_unknown_feature_says_so() -> None:
    with pytest.raises(ht.UnknownColumnError, match=r"no feature 'amuont'(.|\n)*did you mean 'amount'\?"):
        _ = view()[["amuont"]].schema


def test_a_projection_to_no_feature_is_refused() -> None:
    with pytest.raises(ht.DefinitionError, match="feature view 'spend': features is empty"):
        view()[[]]


def test_projections_keep_what_was_said_before() -> None:
    made = view().with_join_key_map({"user_id": "payer"}).with_name("payer_spend")[["amount"]]
    assert (made.name, made.features, dict(made.join_key_map)) == (
        "payer_spend", ("amount",), {"user_id": "payer"},
    )  # fmt: skip
    assert view() == view()


def test_a_store_lists_the_features_of_its_views() -> None:
    store = ht.FeatureStore([view(), view(aggregations=[SUM]).with_name("windows")])
    assert {name: schema.names for name, schema in store.features().items()} == {
        "spend": ("amount", "status"),
        "windows": ("sum_amount_7d",),
    }


def test_cross_takes_each_list_once_so_that_anything_with_an_order_will_do() -> None:
    made = ht.Aggregation.cross(iter(["a", "b"]), iter(["sum", "max"]), iter(["1d", "7d"]))
    assert [item.name for item in made] == [
        f"{function}_{column}_{window}" for column in "ab" for function in ("sum", "max") for window in ("1d", "7d")
    ]


def test_a_service_names_features_and_has_a_name_without_a_colon() -> None:
    with pytest.raises(ht.DefinitionError, match="features is empty; name at least one"):
        ht.FeatureService("fraud", [])
    with pytest.raises(ht.DefinitionError, match="holds a colon, which separates view and feature"):
        ht.FeatureService("fraud:v2", ["spend"])


@pytest.mark.parametrize(
    ("theirs", "ours"), [("avg", "mean"), ("std", "stddev_samp"), ("nunique", "count_distinct"), ("AVG", "mean")]
)
def test_another_tools_word_for_an_aggregate_is_told_ours(theirs: str, ours: str) -> None:
    with pytest.raises(ht.DefinitionError, match=rf"no aggregate '{theirs}'; it is called {ours} here"):
        ht.Aggregation("usd", theirs, "7d")  # type: ignore[arg-type]


def test_every_word_of_another_tool_is_told_an_aggregate_that_there_is() -> None:
    assert set(_OF_OTHER_TOOLS.values()) <= set(AGGREGATES)
    assert not set(_OF_OTHER_TOOLS) & set(AGGREGATES)


@pytest.mark.parametrize(
    ("options", "delay", "bound"),
    [
        ({"time_window": "30d", "offset": "10m"}, "0s", "[t-30d10m, t-10m)"),
        ({"time_window": "30d"}, "10m", "[t-30d10m, t-10m)"),
        ({"time_window": "1us", "closed": "neither"}, "0s", "(t-1us, t)"),
        ({"time_window": "1us"}, "0s", "[t-1us, t)"),
        ({"time_window": "90m", "closed": "right"}, "0s", "(t-1h30m, t]"),
        (
            {"time_window": "7d", "slide_interval": "1h", "offset": "10m"},
            "5m",
            "[floor(t-15m, 1h)-7d, floor(t-15m, 1h))",
        ),
        ({"closed": "both"}, "1h", "(-inf, t-1h]"),
    ],
)
def test_a_view_and_explain_say_a_window_in_the_same_words(options: dict[str, str], delay: str, bound: str) -> None:
    data = pa.table({"k": [1], "ts": [datetime(2024, 1, 1)], "v": [1.0]})
    source = ht.ArrowSource(data, timestamp_field="ts", data_delay=delay)
    aggregation = ht.Aggregation(**{"column": "v", "function": "sum", "name": "total"} | options)
    view = ht.FeatureView("spend", entities=["k"], source=source, aggregations=[aggregation])
    rows = pa.table({"k": [1], "event_timestamp": [datetime(2024, 1, 2)]})
    explanation = str(ht.FeatureStore([view]).get_historical_features(rows, [view]).explain())
    assert f", {bound}, 1 aggregations)" in repr(view)
    assert f"WindowAggregate spend  on k, {bound}, 1 aggregate" in explanation
    assert f"AggregationNode spend, 1 aggregates, {bound}" in explanation


def test_a_view_and_explain_say_the_latest_value_in_the_same_words() -> None:
    data = pa.table({"k": [1], "ts": [datetime(2024, 1, 1)], "v": [1.0]})
    source = ht.ArrowSource(data, timestamp_field="ts", data_delay="10m")
    view = ht.FeatureView("spend", entities=["k"], source=source, ttl="36h", allow_exact_matches=False)
    rows = pa.table({"k": [1], "event_timestamp": [datetime(2024, 1, 2)]})
    explanation = str(ht.FeatureStore([view]).get_historical_features(rows, [view]).explain())
    assert "ts < t-10m, ttl 1d12h" in repr(view)
    assert "AsofJoin spend  on k, ts < t-10m, ttl 1d12h, 1 feature" in explanation


def test_the_syntax_of_every_expression_is_checked_when_a_view_is_made() -> None:
    """All problems at once, and before the source is looked at: there is no such file."""
    source = ht.FileSource("missing.parquet", timestamp_field="ts")
    with pytest.raises(ht.DefinitionError) as caught:
        ht.FeatureView(
            "spend", entities=["k"], source=source, filter="amount >",
            columns={"x": "avg(amount)", "fine": "nowhere + 1"},
            aggregations=[ht.Aggregation("x", "sum", "7d", name="total", where="status = 'a'")],
            post_aggregation={"share": "total && total"},
        )  # fmt: skip
    first, second, third = caught.value.problems
    assert first.startswith("feature view 'spend', filter: 'amount >' is not an SQL expression")
    assert second.startswith("feature view 'spend', columns 'x': no function 'avg'")
    assert third.startswith("feature view 'spend', post_aggregation 'share': && is not allowed")


def test_the_syntax_of_where_is_checked_when_an_aggregation_is_made() -> None:
    with pytest.raises(
        ht.DefinitionError, match=r"^aggregation sum\('x'\), where: 'amount = ' is not an SQL expression"
    ):
        ht.Aggregation("x", "sum", "7d", where="amount = ")
