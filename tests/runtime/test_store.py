"""FeatureStore: its views and services by name, features under other names, and all problems of all views at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hitherto as ht
import pyarrow as pa
import pytest

EVENTS = pa.table({"k": [1, 1, 2], "ts": pa.array([10, 50, 10], pa.timestamp("us")), "v": [1.0, 2.0, 3.0]})
SPINE = pa.table({"k": [1, 2], "t": pa.array([60, 60], pa.timestamp("us"))})


def latest(name: str = "last", **changes: Any) -> ht.FeatureView:
    given = {"entities": ["k"], "source": ht.ArrowSource(EVENTS, timestamp_field="ts")}
    return ht.FeatureView(name, **given | changes)


def sums(name: str = "sums", **changes: Any) -> ht.FeatureView:
    aggregations = [ht.Aggregation("v", "sum", "30us"), ht.Aggregation("v", "max", "100us")]
    after = {"share": "sum_v_30us / max_v_100us"}
    return latest(name, aggregations=aggregations, post_aggregation=after, **changes)


def answer(features: Any, *views: Any, **options: Any) -> dict[str, list[Any]]:
    store = ht.FeatureStore(list(views) or [latest(), sums()], **options)
    table = store.get_historical_features(SPINE, features).to_arrow()
    return {name: table[name].to_pylist() for name in table.column_names[2:]}


RENAMED: dict[str, Callable[[], Any]] = {
    "as a text": lambda: ["sums:max_v_100us as most", "last:v AS newest"],
    "by a projection": lambda: [sums()[[{"max_v_100us": "most"}]], latest()[[{"v": "newest"}]]],
    "by a service": lambda: ht.FeatureService("s", ["sums:max_v_100us  as  most", latest()[[{"v": "newest"}]]]),
}


@pytest.mark.parametrize("how", RENAMED)
@pytest.mark.parametrize("unfused", [False, True])
@pytest.mark.parametrize("full", [False, True])
def test_a_feature_is_asked_for_under_another_name(how: str, unfused: bool, full: bool) -> None:
    first, second = latest(), sums()
    store = ht.FeatureStore([first, second], planner_options=ht.PlannerOptions(unfused=unfused))
    features = RENAMED[how]()
    job = store.get_historical_features(SPINE, _of(features, first, second), full_feature_names=full)
    assert job.schema.names == ["k", "t", "most", "newest"]
    assert job.to_arrow().select(["most", "newest"]).to_pydict() == {"most": [2.0, 3.0], "newest": [2.0, 3.0]}


def _of(features: Any, first: ht.FeatureView, second: ht.FeatureView) -> Any:
    """The same features of the store's own views: in-memory sources compare by identity."""
    if isinstance(features, ht.FeatureService):
        return ht.FeatureService("s", _of(features.features, first, second))
    views = {"last": first, "sums": second}
    return [views[item.name][[dict(item.chosen)]] if not isinstance(item, str) else item for item in features]


@pytest.mark.parametrize("unfused", [False, True])
def test_one_feature_may_have_several_names(unfused: bool) -> None:
    features = ["last:v", "last:v as a", "sums:share as b", "sums:share as c", "sums:sum_v_30us as d", "last:v as e"]
    options = ht.PlannerOptions(unfused=unfused)
    assert answer(features, planner_options=options) == {
        "v": [2.0, 3.0],
        "a": [2.0, 3.0],
        "b": [1.0, None],
        "c": [1.0, None],
        "d": [2.0, None],
        "e": [2.0, 3.0],
    }


def test_a_name_that_is_given_counts_also_where_answers_are_appended() -> None:
    views = [latest(f"view_{number}") for number in range(41)]
    features = [
        name for number in range(41) for name in (f"view_{number}:v as a{number}", f"view_{number}:v as b{number}")
    ]
    found = answer(features, *views)
    assert list(found) == [feature.split(" as ")[1] for feature in features]
    assert all(values == [2.0, 3.0] for values in found.values())


def test_full_names_are_for_features_without_a_name_of_their_own() -> None:
    job = ht.FeatureStore([sums()]).get_historical_features(
        SPINE, ["sums:share as s", "sums:max_v_100us"], full_feature_names=True
    )
    assert job.schema.names == ["k", "t", "s", "sums__max_v_100us"]


def test_a_projection_of_the_store_is_asked_for_by_either_name() -> None:
    view = sums()
    store = ht.FeatureStore([view.with_name("paid")[[{"max_v_100us": "most"}, "share"]]])
    for features, names in [
        ("paid", ["most", "share"]),
        ("paid:most", ["most"]),
        ("paid:max_v_100us", ["max_v_100us"]),
        ("paid:most as m", ["m"]),
    ]:
        assert store.get_historical_features(SPINE, features).schema.names == ["k", "t", *names]
    assert store.features()["paid"].names == ("most", "share")
    with pytest.raises(ht.UnknownColumnError, match=r"no feature 'mst'\n  features: .*\n  did you mean 'most'"):
        store.get_historical_features(SPINE, "paid:mst")


def test_a_name_that_is_given_twice_is_told() -> None:
    with pytest.raises(
        ht.DefinitionError, match=r"last:v and sums:share would both be called 'x'; give one of them an"
    ):
        answer(["last:v as x", "sums:share as x"])
    with pytest.raises(
        ht.DefinitionError, match=r"last:v and sums:share would both be called 'V'; give one of them an"
    ):
        answer(["last:v", "sums:share as V"])
    with pytest.raises(ht.SpineError, match=r"column 't' and feature last:v have one name; give the feature another"):
        answer(["last:v as t"])


def test_a_name_that_is_none_is_told() -> None:
    with pytest.raises(ht.DefinitionError, match="holds a colon"):
        answer(["last:v as a:b"])
    with pytest.raises(ht.DefinitionError, match="a text"):
        latest()[[{"v": 3}]]  # type: ignore[dict-item]
    with pytest.raises(ht.DefinitionError, match="'w' is there twice"):
        latest()[["w", {"v": "w"}]]
    with pytest.raises(ht.DefinitionError, match=r"'last as newest' names no feature; .* with_name\('newest'\)"):
        answer(["last as newest"])


def test_explain_shows_the_name_that_was_given() -> None:
    store = ht.FeatureStore([latest(), sums()])
    text = str(store.get_historical_features(SPINE, ["last:v as newest", "sums:share as part"]).explain("dag"))
    assert "ProjectionNode newest" in text
    assert "ProjectionNode part" in text


def test_projections_with_other_names_compare_by_value_and_say_so() -> None:
    view = latest()
    assert view[[{"v": "w"}]] == view[[{"v": "w"}]] != view[["v"]]
    assert "v as w" in repr(view[[{"v": "w"}]])
    assert view[[{"v": "w"}]].with_name("other").chosen == (("v", "w"),)


def test_online_a_feature_is_asked_for_under_another_name(tmp_path: Path) -> None:
    store = ht.FeatureStore([latest(), sums()], online_store=ht.SqliteOnlineStore(tmp_path / "online.db"))
    store.materialize("1970-01-01T00:00:00.000060")
    features = ["last:v as newest", "sums:max_v_100us as most", "last:v as again"]
    response = store.get_online_features(features, [{"k": 1}], full_feature_names=True)
    assert response.to_dict() == {"k": [1], "newest": [2.0], "most": [2.0], "again": [2.0]}
    with pytest.raises(ht.DefinitionError, match="two columns would be called 'x'; give one of them another name"):
        store.get_online_features(["last:v as x", "sums:share as x"], [{"k": 1}])


def test_the_views_and_services_of_a_store_are_there_by_name() -> None:
    view, projection = latest(), sums().with_name("other")
    service = ht.FeatureService("fraud", ["last:v"])
    store = ht.FeatureStore([view, projection], services=[service])
    assert dict(store.views) == {"last": view, "other": projection}
    assert dict(store.services) == {"fraud": service}
    store.views.clear()  # type: ignore[attr-defined]
    assert list(store.views) == ["last", "other"]


@pytest.mark.parametrize("features", ["fraud", ["fraud"], ["last:v as w", "fraud"]])
def test_a_service_is_asked_for_by_its_name(features: Any) -> None:
    service = ht.FeatureService("fraud", ["sums:share", "last"])
    names = ["w"] if len(features) == 2 else []
    assert list(answer(features, latest(), sums(), services=[service])) == [*names, "share", "v"]


def test_a_service_is_read_online_by_its_name(tmp_path: Path) -> None:
    service = ht.FeatureService("fraud", ["last:v as w"])
    online = ht.SqliteOnlineStore(tmp_path / "online.db")
    store = ht.FeatureStore([latest()], services=[service], online_store=online)
    store.materialize("1970-01-01T00:00:00.000060")
    assert store.get_online_features("fraud", [{"k": 2}]).to_dict() == {"k": [2], "w": [3.0]}


def test_a_service_that_cannot_be_told_from_a_view_or_another_service_is_refused() -> None:
    for services in (["last"], ["LAST"], ["fraud", "Fraud"]):
        made = [ht.FeatureService(name, ["last:v"], description=name) for name in services]
        with pytest.raises(ht.DefinitionError, match="have one name; rename one of them"):
            ht.FeatureStore([latest()], services=made)
    twice = ht.FeatureService("fraud", ["last:v"])
    assert list(ht.FeatureStore([latest()], services=[twice, twice]).services) == ["fraud"]


def test_services_are_checked_when_the_store_is_made() -> None:
    wrong = [ht.FeatureService("a", ["lst:v"]), ht.FeatureService("b", ["sms"])]
    with pytest.raises(ht.UnknownColumnError) as caught:
        ht.FeatureStore([latest(), sums()], services=wrong)
    assert [problem.split("\n")[0] for problem in caught.value.problems] == [
        "feature service 'a': features: no feature view 'lst'",
        "feature service 'b': features: no feature view 'sms'",
    ]
    for services in ("fraud", ht.FeatureService("a", ["last:v"]), [latest()]):
        with pytest.raises(ht.DefinitionError, match="services"):
            ht.FeatureStore([latest()], services=services)  # type: ignore[arg-type]


def test_a_name_that_is_neither_a_view_nor_a_service_is_told_with_both() -> None:
    store = ht.FeatureStore([latest()], services=[ht.FeatureService("fraud", ["last:v"])])
    with pytest.raises(
        ht.UnknownColumnError, match=r"'frod'\n  views and services: last, fraud\n  did you mean 'fraud'"
    ):
        store.get_historical_features(SPINE, "frod")


def test_validate_says_nothing_where_all_is_well() -> None:
    assert ht.FeatureStore([latest(), sums()], services=[ht.FeatureService("s", ["sums:share"])]).validate() is None


def test_validate_tells_the_problems_of_all_views_at_once(tmp_path: Path) -> None:
    missing = ht.FileSource(tmp_path / "missing.parquet", timestamp_field="ts")
    views = [
        latest("good"),
        latest("unknown", features=["w"], filter="x > 1"),
        sums("typed", filter="v > 'a'"),
        latest("no_file", source=missing),
        latest("no_file_either", source=missing),
        latest("no_time", source=ht.ArrowSource(EVENTS, timestamp_field="at")),
        latest("chained", source=latest("upstream", columns={"y": "z + 1"})),
    ]
    services = [ht.FeatureService("both", ["good:w", "unknown:v"])]
    with pytest.raises(ht.DefinitionError) as caught:
        ht.FeatureStore(views, services=services).validate()
    told = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 7
    for text in (
        "feature view 'unknown', filter",
        "feature view 'unknown', features: source 'arrow' has no column 'w'",
        "feature view 'typed', filter",
        "feature view 'upstream', columns 'y'",
        "feature service 'both': feature view 'good' has no feature 'w'",
        "read by feature view 'no_file', feature view 'no_file_either'",
        "read by feature view 'no_time'",
    ):
        assert told.count(text) == 1, f"{text}\n\n{told}"


def test_descriptions_and_tags_are_shown() -> None:
    view = latest(description="what was paid last", tags={"team": "risk", "pii": "no"})
    service = ht.FeatureService("fraud", ["last:v"], description="for the model of fraud")
    store = ht.FeatureStore([view, sums()], services=[service])
    assert "'what was paid last', tags team=risk, pii=no" in repr(store.views)
    assert "'for the model of fraud'" in repr(store.services)
    assert "'a person'" in repr(ht.Entity("user", description="a person"))
    text = str(store.get_historical_features(SPINE, "fraud").explain("dag"))
    assert text.endswith("\n  last: 'what was paid last', tags team=risk, pii=no")
    assert "tags" not in str(store.get_historical_features(SPINE, "sums").explain("dag"))


def test_features_without_an_order_are_refused() -> None:
    for features in ({"last:v", "sums:share"}, frozenset({"last:v"})):
        with pytest.raises(ht.DefinitionError, match="which has no order; give a list"):
            answer(features)


def test_a_feature_of_a_service_is_asked_for_by_its_view() -> None:
    with pytest.raises(ht.DefinitionError, match="'fraud' is a feature service, which is asked for as a whole"):
        answer("fraud:v", latest(), services=[ht.FeatureService("fraud", ["last:v"])])


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("sum_v_30us", "'sums:sum_v_30us'"),
        ("share", "'sums:share'"),
        ("v", "'last:v'"),
        ("w", "'other:w'"),
        ("sums__share", "'sums:share'"),
        ("last.v", "'last:v'"),
    ],
)
def test_a_feature_without_its_view_is_told_with_it(text: str, meant: str) -> None:
    views = [latest(features=["v"]), sums(), latest("source")[[{"v": "w"}]].with_name("other")]
    with pytest.raises(ht.DefinitionError, match=rf"'{text}' is no view; .* asked for with its view: {meant}$"):
        answer(text, *views)


def test_a_feature_of_several_views_is_told_with_each() -> None:
    with pytest.raises(ht.DefinitionError, match=r"with its view: 'one:v' or 'two:v'$"):
        answer("v", latest("one", features=["v"]), latest("two", features=["v"]))
