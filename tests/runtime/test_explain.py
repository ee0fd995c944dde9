"""explain(): the plan, every rule that changed it, the SQL, and with analyze what a run was observed to do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import hitherto as ht
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.engines import with_forms


def us(*times: int | None) -> pa.Array:
    return pa.array(times, pa.timestamp("us"))


EVENTS = pa.table({"k": [1, 1, 2, 3, None], "ts": us(10, 50, 10, 90, 10), "v": [1.0, 2.0, 3.0, 4.0, 5.0]})
# In time, too old, too old, only later events, no events, no key.
SPINE = pa.table({"k": [1, 1, 2, 3, 4, None], "t": us(12, 80, 40, 60, 60, 60)})


def latest(name: str = "last", **changes: Any) -> ht.FeatureView:
    given = {"entities": ["k"], "source": ht.ArrowSource(EVENTS, timestamp_field="ts"), "ttl": "20us"}
    return ht.FeatureView(name, **given | changes)


def windows(name: str = "sums", *more: ht.Aggregation, **changes: Any) -> ht.FeatureView:
    aggregations = [ht.Aggregation("v", "sum", "5us"), ht.Aggregation("v", "max", "20us"), *more]
    return latest(name, ttl=None, aggregations=aggregations, **changes)


def job(*views: ht.FeatureView, spine: pa.Table = SPINE, **options: Any) -> ht.RetrievalJob:
    store = ht.FeatureStore(list(views), planner_options=ht.PlannerOptions(**options))
    return store.get_historical_features(spine, list(views))


LEVELS = {
    "dag": ["dag"],
    "logical": ["logical"],
    "optimized": ["rules", "optimized"],
    "physical": ["physical"],
    "sql": ["sql"],
    "all": ["dag", "logical", "rules", "optimized", "physical", "sql"],
}


DOCUMENTS = {
    "dag": ["dag"],
    "logical": ["logical"],
    "optimized": ["rules", "optimized"],
    "physical": ["physical", "choices", "reads"],
    "sql": ["statements"],
    "all": ["dag", "logical", "rules", "optimized", "physical", "choices", "reads", "statements"],
}


def sections(text: str) -> list[str]:
    return [line for line in text.splitlines() if line in LEVELS["all"] or line == "analysis"]


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_shows_its_sections(level: str) -> None:
    explanation = job(latest(), windows()).explain(level)
    assert str(explanation).splitlines()[0].startswith("Query   2 views, 3 features, spine 6 rows, duckdb ")
    assert sections(str(explanation)) == LEVELS[level]
    assert list(explanation.to_dict()) == ["query", *DOCUMENTS[level]]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("format_", ["text", "json"])
def test_explain_is_the_same_on_every_run(level: str, format_: str) -> None:
    one, two = (str(job(latest(), windows()).explain(level, format=format_)) for _ in range(2))
    assert one == two
    assert not re.search(r"0x[0-9a-f]{6}|\b\d{12,}\b|[0-9a-f]{16}", one)


def test_json_says_what_the_text_says() -> None:
    lazy = job(latest(), windows())
    read = json.loads(str(lazy.explain(format="json")))
    assert read == lazy.explain().to_dict()
    text = str(lazy.explain())
    steps = str(lazy.explain(level="physical", verbose=True))
    for section in ("dag", "logical", "optimized", "physical"):
        assert all(node["text"] in (steps if section == "physical" else text) for node in read[section]["nodes"])
    assert all(statement["sql"] in text for statement in read["statements"])
    assert {step["rule"] for step in read["rules"]} == set(rules(text))
    assert all(f"{choice['view']}: {choice['reason']}" in text for choice in read["choices"])


def test_json_is_data_and_no_drawing() -> None:
    read = job(latest(description="newest"), windows(filter="v > 1")).explain(format="json").to_dict()
    assert not re.search("[├└│─]", json.dumps(read, ensure_ascii=False))
    assert read["query"]["rows"] == 6
    first, second = read["query"]["views"]
    assert (first["name"], first["description"], first["tags"], second["name"]) == ("last", "newest", {}, "sums")
    assert read["query"]["features"] == [
        {"name": "v", "view": "last", "feature": "v", "type": "float64"},
        {"name": "sum_v_5us", "view": "sums", "feature": "sum_v_5us", "type": "float64"},
        {"name": "max_v_20us", "view": "sums", "feature": "max_v_20us", "type": "float64"},
    ]
    nodes = read["logical"]["nodes"]
    kinds = {node["id"]: node["kind"] for node in nodes}
    join = next(node for node in nodes if node["kind"] == "AsofJoin")
    assert [kinds[child] for child in join["inputs"]] == ["NumberRows", "Project"]
    assert {"name": "v", "type": "float64"} in join["columns"]
    assert join["fields"]["keys"] == [["k", "k"]]
    assert join["fields"]["picks"][0]["interval"]["text"] == "ts <= t, ttl 20us"
    windowed = next(node for node in nodes if node["kind"] == "WindowAggregate")
    called = [(each["function"], each["operand"]) for each in windowed["fields"]["aggregates"]]
    assert called == [("sum", "v"), ("max", "v")]
    filtered = next(node for node in nodes if node["kind"] == "Filter")
    assert filtered["fields"] == {"predicate": "v > 1.0"}


def test_the_nodes_of_a_document_come_after_their_inputs() -> None:
    read = job(latest(), windows()).explain(format="json").to_dict()
    for section in ("dag", "logical", "optimized", "physical"):
        seen: set[int] = set()
        for node in read[section]["nodes"]:
            assert set(node["inputs"]) <= seen
            assert node["id"] not in seen
            seen.add(node["id"])
        assert set(read[section]["outputs"]) <= seen


def test_one_node_has_one_id_in_all_plans_of_a_document() -> None:
    read = job(latest(), windows()).explain(format="json").to_dict()
    texts: dict[int, set[str]] = {}
    steps = [step[part] for step in read["rules"] for part in ("before", "after")]
    for node in [*(node for plan in ("logical", "optimized", "physical") for node in read[plan]["nodes"]), *steps]:
        texts.setdefault(node["id"], set()).add(node["text"])
    assert all(len(said) == 1 for said in texts.values())
    logical, optimized = ({node["id"] for node in read[plan]["nodes"]} for plan in ("logical", "optimized"))
    assert logical & optimized
    assert any(step["before"]["id"] in logical for step in read["rules"])
    assert any(step["after"]["id"] in optimized for step in read["rules"])


def test_a_document_is_json_for_values_that_json_has_no_form_of() -> None:
    view = latest(filter="v < cast('inf' as double)", columns={"n": "cast('nan' as double)", "d": "date '2024-02-03'"})
    read = json.loads(str(job(view).explain(format="json")), parse_constant=pytest.fail)
    assert any(node["kind"] == "Filter" for node in read["logical"]["nodes"])


def test_the_repr_of_an_explanation_is_its_text() -> None:
    explanation = job(latest()).explain("physical")
    assert repr(explanation) == str(explanation)
    assert repr(explanation).startswith("Query   1 view")


def rules(text: str) -> list[str]:
    lines = text.splitlines()
    start, end = lines.index("rules"), lines.index("optimized")
    return [line.split()[0] for line in lines[start + 1 : end]]


def test_every_rule_that_fired_is_named_with_what_it_changed(tmp_path: Path) -> None:
    pq.write_table(EVENTS.append_column("unused", EVENTS["v"]), tmp_path / "events.parquet")
    source = ht.FileSource(tmp_path / "events.parquet", timestamp_field="ts")
    lazy = job(latest(source=source, features=["v"], filter="v > 0"))
    fired = {step["rule"] for step in lazy.explain().to_dict()["rules"]}
    text = str(lazy.explain("optimized"))
    assert set(rules(text)) == fired
    assert {"bound_asof_events_by_spine", "push_filter_into_scan", "narrow_scan"} <= fired
    assert re.search(r"narrow_scan .*Scan events  4 columns.*  ->  3 columns", text)


def test_a_disabled_rule_does_not_fire() -> None:
    text = str(job(latest(), disabled_rules=("bound_asof_events_by_spine",)).explain("optimized"))
    assert "bound_asof_events_by_spine" not in text
    assert "bound_asof_events_by_spine" in str(job(latest()).explain("optimized"))


def test_without_statistics_no_event_is_bounded_by_the_times_of_the_rows() -> None:
    text = str(job(latest(), windows(), statistics="off").explain())
    assert "_events_by_spine" not in text
    assert job(latest(), windows(), statistics="off").to_arrow() == job(latest(), windows()).to_arrow()


def test_verbose_shows_the_difference_that_every_rule_made() -> None:
    brief, long = (str(job(latest()).explain("optimized", verbose=verbose)) for verbose in (False, True))
    assert len(long) > len(brief)
    lines = long.splitlines()
    rule = next(index for index, line in enumerate(lines) if line.startswith("  bound_asof_events_by_spine"))
    following = lines[rule + 1 : rule + 12]
    assert following[0].strip()
    assert any(line.lstrip().startswith("+") for line in following)


def test_an_explanation_prints_nothing_and_shows_itself_in_a_notebook(capsys: pytest.CaptureFixture[str]) -> None:
    explanation = job(latest()).explain()
    assert capsys.readouterr().out == ""
    html = explanation._repr_html_()
    assert html.startswith("<pre>Query   1 view, 1 feature")
    assert "&lt;= t" in html


def test_the_dag_states_the_time_bounds() -> None:
    text = str(job(latest(), windows()).explain("dag"))
    assert "DedupNode last, ts <= t, ttl 20us" in text
    assert "AggregationNode sums, 2 aggregates, [t-5us, t), [t-20us, t)" in text


def test_the_physical_plan_names_the_chosen_forms() -> None:
    text = str(job(latest(), windows()).explain("physical"))
    assert "EventIndexLatest last" in text
    assert "EventIndexWindows sums" in text


def test_the_sql_is_that_of_the_run() -> None:
    explanation = job(latest(), windows()).explain("sql").to_dict()
    assert [statement["name"] for statement in explanation["statements"]] == ["last", "sums", "training_set"]


def test_a_filter_is_left_to_a_statement() -> None:
    explanation = job(latest(filter="v <> 7"), windows()).explain("sql").to_dict()
    statements = {statement["name"]: statement["sql"] for statement in explanation["statements"]}
    assert list(statements) == ["spine_keys", "last_events", "last", "sums", "training_set"]
    assert statements["spine_keys"] == "-- numbered in memory: the keys of spine"
    assert 'JOIN "spine_keys"' in statements["last_events"]


def test_explain_without_analyze_runs_nothing() -> None:
    text = pa.table({"k": [1], "ts": us(1), "code": ["x"]})
    lazy = job(latest(source=ht.ArrowSource(text, timestamp_field="ts"), columns={"n": "cast(code as bigint)"}))
    assert "ERROR(" in str(lazy.explain())
    with pytest.raises(ht.EngineError):
        lazy.explain(analyze=True)


def analysis(*views: ht.FeatureView, spine: pa.Table = SPINE, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = (
        job(*views, spine=spine, **options).explain(analyze=True, format="json").to_dict()["analysis"]
    )
    return found


def test_analyze_counts_matched_expired_and_unmatched_rows_of_latest_values() -> None:
    assert analysis(latest())["views"] == [{"view": "last", "matched": 1, "expired": 2, "unmatched": 3, "future": 0}]


def test_analyze_counts_no_row_as_expired_where_nothing_expires() -> None:
    assert analysis(latest(ttl=None))["views"] == [
        {"view": "last", "matched": 3, "expired": 0, "unmatched": 3, "future": 0}
    ]


def test_analyze_counts_by_the_longest_window() -> None:
    assert analysis(windows())["views"] == [{"view": "sums", "matched": 1, "expired": 2, "unmatched": 3, "future": 0}]
    lifetime = ht.Aggregation("v", "min")
    assert analysis(windows("sums", lifetime))["views"] == [
        {"view": "sums", "matched": 3, "expired": 0, "unmatched": 3, "future": 0}
    ]


def test_analyze_counts_a_view_whose_aggregates_are_all_written_with_others() -> None:
    spread = latest("spread", ttl=None, aggregations=[ht.Aggregation("v", "stddev_pop", "20us")])
    assert [view["view"] for view in analysis(spread, latest())["views"]] == ["spread", "last"]


def test_the_edges_of_the_time_bound_count_as_they_match() -> None:
    spine = pa.table({"k": [1, 1, 1, 1, 1], "t": us(9, 10, 11, 30, 31)})
    one = ht.ArrowSource(EVENTS.slice(0, 1), timestamp_field="ts")
    assert analysis(latest(source=one), spine=spine)["views"] == [
        {"view": "last", "matched": 3, "expired": 1, "unmatched": 1, "future": 0}
    ]
    assert analysis(windows(source=one), spine=spine)["views"] == [
        {"view": "sums", "matched": 2, "expired": 1, "unmatched": 2, "future": 0}
    ]


def test_an_older_window_is_covered_by_its_own_bounds() -> None:
    spine = pa.table({"k": [1, 1, 1], "t": us(15, 22, 40)})
    one = ht.ArrowSource(EVENTS.slice(0, 1), timestamp_field="ts")
    shifted = latest("old", ttl=None, source=one, aggregations=[ht.Aggregation("v", "sum", "5us", offset="10us")])
    assert analysis(shifted, spine=spine)["views"] == [
        {"view": "old", "matched": 1, "expired": 1, "unmatched": 1, "future": 0}
    ]


def test_a_delayed_source_is_covered_by_when_its_rows_are_visible() -> None:
    spine = pa.table({"k": [1, 1], "t": us(14, 15)})
    late = ht.ArrowSource(EVENTS.slice(0, 1), timestamp_field="ts", data_delay="5us")
    assert analysis(latest(source=late), spine=spine)["views"] == [
        {"view": "last", "matched": 1, "expired": 0, "unmatched": 1, "future": 0}
    ]


def test_rows_that_the_filter_drops_cover_nothing() -> None:
    assert analysis(latest(filter="v > 1"))["views"] == [
        {"view": "last", "matched": 0, "expired": 2, "unmatched": 4, "future": 0}
    ]


def test_every_view_is_covered_also_when_views_are_fused() -> None:
    store = ht.FeatureStore([latest("a"), windows("b"), windows("c")])
    lazy = store.get_historical_features(SPINE, ["a", "b", "c"], full_feature_names=True)
    views = lazy.explain(analyze=True).to_dict()["analysis"]["views"]
    assert [(view["view"], view["matched"], view["expired"], view["unmatched"]) for view in views] == [
        ("a", 1, 2, 3),
        ("b", 1, 2, 3),
        ("c", 1, 2, 3),
    ]


def test_analyze_counts_the_rows_of_scans_and_tables() -> None:
    found = analysis(latest(), windows())
    statements = {statement["name"]: statement["rows"] for statement in found["statements"]}
    assert found["rows"] == 6
    assert statements == {"last": {"last": 6}, "sums": {"sums": 6}}


def test_analyze_counts_the_rows_of_statements() -> None:
    found = analysis(latest(filter="v <> 7"))
    statements = {statement["name"]: statement["rows"] for statement in found["statements"]}
    assert statements["last"] == {"last": 6}
    assert 0 < statements["last_events"]["result"] <= 5


def test_analyze_gives_wall_time_and_peak_memory() -> None:
    found = analysis(latest())
    assert all(statement["seconds"] >= 0 for statement in found["statements"])
    assert found["seconds"] >= sum(statement["seconds"] for statement in found["statements"]) > 0
    assert 10_000_000 < found["peak_memory"] < 100_000_000_000


def test_analyze_is_shown_as_text() -> None:
    text = str(job(latest()).explain(analyze=True))
    assert sections(text)[-1] == "analysis"
    assert re.search(r"\n  6 rows in \d+\.\d+ s, peak memory [\d,]+ MiB\n", text)
    assert re.search(r"\n  last  \d+\.\d+ s\n    last  6 rows\n", text)
    assert text.endswith("\n  last: matched 1, expired 2, unmatched 3; no used event after its row")


def test_analyze_of_an_empty_spine_counts_nothing() -> None:
    found = analysis(latest(), windows(), spine=SPINE.slice(0, 0))
    assert found["rows"] == 0
    assert [sum(view[name] for name in ("matched", "expired", "unmatched")) for view in found["views"]] == [0, 0]


def test_analyze_leaves_the_answer_as_it_was() -> None:
    lazy = job(latest(), windows())
    before = lazy.to_arrow()
    lazy.explain(analyze=True)
    assert lazy.to_arrow() == before


def test_a_choice_stands_beside_what_was_measured(tmp_path: Path) -> None:
    """The estimate of rows and seconds, and what footers say of the times that rows can see."""
    count = 60_000
    times = pa.array(range(count), pa.timestamp("us"))
    events = pa.table({"k": [1] * count, "ts": times, "v": [1.0] * count})
    for name, part in (("a", events.slice(0, 20_000)), ("b", events.slice(20_000))):
        pq.write_table(part, tmp_path / f"{name}.parquet", row_group_size=10_000)
    source = ht.FileSource(tmp_path / "*.parquet", timestamp_field="ts")
    rows = pa.table({"k": [1, 2], "t": pa.array([55_000, 56_000], pa.timestamp("us"))})
    view = latest(source=source, ttl="1ms")
    store = ht.FeatureStore([view], planner_options=ht.PlannerOptions())
    job_ = store.get_historical_features(rows, view)
    (choice,) = job_.explain("physical").to_dict()["choices"]
    assert choice["events"] == 50_000
    assert choice["cost"]["cpu"] > 0
    assert job_.explain("physical").to_dict()["reads"] == {
        source.name: {"files": 1, "of_files": 2, "groups": 1, "of_groups": 6}
    }
    text = str(job_.explain("physical"))
    assert f"  {source.name}: reads 1 of 2 files, 1 of 6 row groups" in text.splitlines()
    analyzed = str(job_.explain("physical", analyze=True)).split("analysis", 1)[1]
    assert re.search(r"last: est\. [0-9.]+ CPU s for 50,000 events\n  last: matched 1, ", analyzed)
    in_sql = ht.PlannerOptions(forms={"last": "NarrowAsof"})
    forced = ht.FeatureStore([view], planner_options=in_sql).get_historical_features(rows, view)
    assert "est." not in str(forced.explain("physical", analyze=True)).split("analysis", 1)[1]


def test_a_statement_is_shown_with_what_was_expected_of_it() -> None:
    engine = with_forms(ht.LocalComputeEngine(), "NarrowAsof", "BucketedRange")
    store = ht.FeatureStore([latest()], engine=engine)
    found = store.get_historical_features(SPINE, "last").explain(analyze=True)
    (choice,) = found.to_dict()["choices"]
    measured = [each for each in found.to_dict()["analysis"]["statements"] if each["estimated"] is not None]
    assert [each["estimated"] for each in measured] == [pytest.approx(choice["cost"]["cpu"])]
    assert measured[0]["expected"] == {"last_events": choice["events"]}
    assert re.search(r"last  [0-9.]+ s  \(est\. [0-9,.]+ CPU s\)", str(found))
