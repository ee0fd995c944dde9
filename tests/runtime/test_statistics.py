"""What is known of relations without running them, and that nobody asks for what no choice needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import hitherto as ht
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hitherto.planner.ir.logical import AsofJoin, Relation, Union, Values
from hitherto.planner.planning import lower_plan
from hitherto.planner.statistics import NoStatistics, Statistics
from hitherto.planner.types import INT64, STRING, Field
from hitherto.runtime.retrieval import RetrievalJob
from hitherto.runtime.rows.entity import _measures
from hitherto.runtime.statistics import DataStatistics

from tests.engines import SLOW, with_forms
from tests.relations import table


def us(*times: int | None) -> pa.Array:
    return pa.array(times, pa.timestamp("us"))


EVENTS = pa.table({"k": [1, 1, 2, 3, None], "ts": us(-10, 50, 10, 90, 10), "v": [1.0, 2.0, 3.0, 4.0, 5.0]})
ROWS = pa.table({"k": [1, 1, 2, None], "t": us(12, 80, 40, 60)})
SOURCES = ("file", "files", "arrow", "table")


@pytest.fixture
def engine() -> ht.LocalComputeEngine:
    connection = duckdb.connect()
    connection.register("given", EVENTS)
    connection.execute("CREATE TABLE events AS FROM given")
    return ht.LocalComputeEngine(connection=connection)


def source(kind: str, folder: Path) -> Any:
    if kind == "arrow":
        return ht.ArrowSource(EVENTS, timestamp_field="ts")
    if kind == "table":
        return ht.TableSource("events", timestamp_field="ts")
    if kind == "query":
        return ht.QuerySource("SELECT * FROM events", timestamp_field="ts")
    parts = [EVENTS] if kind == "file" else [EVENTS.slice(0, 2), EVENTS.slice(2), EVENTS.slice(0, 0)]
    for number, part in enumerate(parts):
        pq.write_table(part, folder / f"{number}.parquet", row_group_size=1)
    return ht.FileSource(folder / "*.parquet", timestamp_field="ts")


def retrieval(events: Any, engine: ht.ComputeEngine, **options: Any) -> RetrievalJob:
    view = ht.FeatureView("v", entities=["k"], source=events, features=["v"])
    return ht.FeatureStore([view], engine=engine, **options).get_historical_features(ROWS, "v")


def match_of(job: RetrievalJob) -> AsofJoin:
    plan = lower_plan(job._engine.plan(job._task))
    return next(each for each in plan.values() if isinstance(each, AsofJoin))


def answers(oracle: Statistics, match: AsofJoin) -> dict[str, object]:
    return {
        "rows": oracle.rows(match.events),
        "span": oracle.span(match.events, match.event_time),
        "distinct": oracle.distinct(match.events, ["k"]),
        "most": oracle.most(match.events, ["k"]),
        "pairs": oracle.pairs(match.spine, match.events, match.keys),
        "width": oracle.width(match.events),
    }


@pytest.mark.parametrize("kind", SOURCES)
def test_events_are_known_by_arrow_by_footers_and_by_queries(
    kind: str, engine: ht.LocalComputeEngine, tmp_path: Path
) -> None:
    job = retrieval(source(kind, tmp_path), engine)
    assert answers(engine.statistics(), match_of(job)) == {
        "rows": 5, "span": (-10, 90), "distinct": 3, "most": 2, "pairs": 5, "width": 32,
    }  # fmt: skip


def test_rows_in_memory_are_known_without_a_query() -> None:
    def refuse(relation: Relation) -> pa.Table:
        raise AssertionError("a query was run")

    match = match_of(retrieval(source("arrow", Path()), ht.LocalComputeEngine()))
    oracle = DataStatistics(refuse)
    assert (oracle.rows(match.spine), oracle.span(match.spine, match.time)) == (4, (12, 80))
    assert (oracle.distinct(match.spine, ["k"]), oracle.most(match.spine, ["k"]), oracle.most(match.spine, [])) == (
        2, 2, 4,
    )  # fmt: skip
    assert oracle.most(match.spine, [match.spine.schema.names[0]]) == 1


def test_a_question_is_asked_once(engine: ht.LocalComputeEngine, tmp_path: Path) -> None:
    asked: list[Relation] = []

    def noting(relation: Relation) -> pa.Table:
        asked.append(relation)
        return engine.collect(relation)

    match = match_of(retrieval(source("file", tmp_path), engine))
    oracle = DataStatistics(noting)
    assert answers(oracle, match) == answers(oracle, match)
    assert len(asked) == 1, "the groups; footers and samples tell the rest"


def test_nothing_is_asked_of_a_query_and_of_files_that_are_parsed(
    engine: ht.LocalComputeEngine, tmp_path: Path
) -> None:
    (tmp_path / "events.csv").write_text("k,ts,v\n1,2024-01-01,2.0\n")
    parsed = ht.FileSource(tmp_path / "events.csv", timestamp_field="ts")
    for events in (source("query", tmp_path), parsed):
        found = answers(engine.statistics(), match_of(retrieval(events, engine)))
        assert {name: found[name] for name in found if name != "width"} == dict.fromkeys(
            ("rows", "span", "distinct", "most", "pairs")
        )


def test_a_question_that_fails_has_no_answer(engine: ht.LocalComputeEngine) -> None:
    match = match_of(retrieval(source("table", Path()), engine))
    assert engine._connection is not None
    engine._connection.execute("DROP TABLE events")
    found = answers(engine.statistics(), match)
    assert (found["rows"], found["span"], found["most"], found["pairs"]) == (None, None, None, None)


def test_one_query_measures_rows_by_several_keys() -> None:
    rows = pa.table({
        "k": [1, 1, 1, None], "l": ["a", "a", None, "b"], "at": pa.array([5, -7, 9, 1], pa.timestamp("ns")),
    })  # fmt: skip
    spine = table("spine", rows)
    found = ht.LocalComputeEngine().collect(_measures(spine, "at", (("k",), ("k", "l"), ()))).to_pylist()
    of_all = {"rows": 4, "times": 4, "first": -1, "last": 0}
    assert sorted(found, key=lambda row: int(row["set"])) == [
        {"set": 0, **of_all, "groups": 1, "most": 3},
        {"set": 1, **of_all, "groups": 1, "most": 2},
        {"set": 2, **of_all, "groups": 1, "most": 4},
    ]
    assert ht.LocalComputeEngine().collect(_measures(table("none", rows.slice(0, 0)), "at", ((),))).num_rows == 0


def test_values_that_arrow_does_not_group_are_not_counted() -> None:
    events = EVENTS.append_column("tags", pa.array([["a"]] * 5)).append_column("flag", pa.array([True] * 5))
    given = ht.ArrowSource(events, timestamp_field="ts", unique=True)
    view = ht.FeatureView("v", entities=["k"], source=given, features=["tags", "flag"])
    match = match_of(ht.FeatureStore([view]).get_historical_features(ROWS, "v"))
    oracle = ht.LocalComputeEngine().statistics()
    assert (oracle.most(match.events, ["tags"]), oracle.distinct(match.events, ["tags", "k"])) == (None, None)
    assert (oracle.span(match.events, "tags"), oracle.span(match.events, "flag")) == (None, None)


def test_a_feature_is_none_of_the_rows_that_it_is_matched_to() -> None:
    match = match_of(retrieval(ht.ArrowSource(EVENTS, timestamp_field="ts"), ht.LocalComputeEngine()))
    oracle = ht.LocalComputeEngine().statistics()
    assert (oracle.span(match, "v"), oracle.distinct(match, ["v"]), oracle.most(match, ["v"])) == (None, None, None)
    row = match.spine.schema.names[0]
    assert (oracle.rows(match), oracle.span(match, row), oracle.distinct(match.spine, [row])) == (4, None, None)


def test_literal_rows_and_what_is_put_together_are_counted() -> None:
    fields = (Field("k", INT64), Field("name", STRING))
    rows = Values(fields, ((1, "a"), (1, "b"), (None, "a")))
    oracle = DataStatistics(lambda relation: pa.table({}))
    both = Union((rows, rows))
    assert (oracle.rows(both), oracle.most(rows, ["k"]), oracle.most(both, ["k"])) == (6, 2, 4)
    assert (oracle.distinct(rows, ["k", "name"]), oracle.width(rows)) == (2, None)


class Deaf(ht.LocalComputeEngine):
    """An engine with one form that lets nobody ask."""

    forms = frozenset({"NarrowAsof"})

    def statistics(self, known: object = None) -> Statistics:
        class Refusing(NoStatistics):
            def most(self, relation: Relation, columns: Sequence[str]) -> int | None:
                raise AssertionError("most was asked")

        return Refusing()


def test_where_one_form_alone_applies_nothing_is_asked() -> None:
    job = retrieval(source("arrow", Path()), with_forms(Deaf(), "NarrowAsof"))
    assert job.to_arrow().num_rows == 4
    assert job.explain("physical").to_dict()["choices"] == [
        {
            "view": "v",
            "form": "NarrowAsof",
            "reason": "NarrowAsof, the only candidate",
            "forced": False,
            "cost": None,
            "events": None,
            "beaten": [],
            "facts": [],
        }
    ]


def with_two_forms() -> ht.LocalComputeEngine:
    engine = with_forms(ht.LocalComputeEngine(), "RangeMax", "UnionLast", "BucketedWindows")
    assert isinstance(engine, ht.LocalComputeEngine)
    return engine


def test_a_choice_says_what_it_rests_on_and_what_it_beat() -> None:
    aware, unaware = (
        retrieval(source("arrow", Path()), with_two_forms(), planner_options=ht.PlannerOptions(statistics=level))
        for level in ("full", "off")
    )
    (choice,) = aware.explain("physical").to_dict()["choices"]
    assert choice["form"] == "RangeMax"
    assert choice["facts"] == [
        {"fact": "rows of spine_rows", "value": 4},
        {"fact": "rows of arrow", "value": 5},
        {"fact": "pairs of spine_rows and arrow", "value": 5},
    ]
    (beaten,) = choice["beaten"]
    assert (beaten["form"], beaten["cost"]["cpu"] > choice["cost"]["cpu"]) == ("UnionLast", True)
    dearer = beaten["cost"]["cpu"] / choice["cost"]["cpu"]
    assert beaten["reason"] == f"{dearer:.1f}x dearer"
    (other,) = unaware.explain("physical").to_dict()["choices"]
    assert (other["form"], other["cost"]) == ("UnionLast", None)
    assert other["beaten"] == [{"form": "RangeMax", "cost": None, "reason": "cost unknown"}]
    assert aware.to_arrow() == unaware.to_arrow()


def test_a_few_rows_are_weighed_no_further() -> None:
    engine = ht.LocalComputeEngine()
    engine.forms = frozenset({"RangeMax", "NarrowAsof"})  # type: ignore[misc]
    (choice,) = retrieval(source("arrow", Path()), engine).explain("physical").to_dict()["choices"]
    assert choice["form"] == "NarrowAsof"
    assert choice["beaten"] == [{"form": "RangeMax", "cost": None, "reason": "not weighed"}]
    assert [fact["fact"] for fact in choice["facts"]] == ["rows of spine_rows", "rows of arrow"]


def test_no_pairs_are_counted_for_a_form_that_would_lose_without_any() -> None:
    cheap = dataclasses.replace(SLOW, sorted=0.0, compared=0.0, grouped=0.0)
    for rates, asked in ((cheap, False), (SLOW, True)):
        engine = with_forms(ht.LocalComputeEngine(), "UnionLast", "RangeMax")
        engine.rates = rates  # type: ignore[misc]
        (choice,) = retrieval(source("arrow", Path()), engine).explain("physical").to_dict()["choices"]
        assert any(fact["fact"].startswith("pairs") for fact in choice["facts"]) == asked


def test_a_form_that_needs_more_memory_than_there_is_loses_to_one_that_does_not() -> None:
    engine = with_two_forms()
    (free,) = retrieval(source("arrow", Path()), engine).explain("physical").to_dict()["choices"]
    (other,) = free["beaten"]
    costs = {free["form"]: free["cost"]["memory"], other["form"]: other["cost"]["memory"]}
    assert costs["UnionLast"] != costs["RangeMax"]

    class Bound(ht.LocalComputeEngine):
        forms = frozenset(costs)
        rates = SLOW
        memory = min(costs.values())

    (bound,) = retrieval(source("arrow", Path()), Bound()).explain("physical").to_dict()["choices"]
    assert bound["form"] == min(costs, key=lambda form: costs[form])


@pytest.mark.parametrize(("limit", "wanted"), [("1GB", 10**9), ("512 MiB", 2**29)])
def test_the_limit_of_memory_is_known_of_an_engine_and_of_a_connection(limit: str, wanted: int) -> None:
    assert ht.LocalComputeEngine(memory_limit=limit).target.memory == wanted
    assert (ht.LocalComputeEngine().target.memory or 0) > 0
    connection = duckdb.connect()
    connection.execute("SET memory_limit = '1GiB'")
    given = ht.LocalComputeEngine(connection=connection)
    assert given.target.memory == 2**30
    connection.execute("SET memory_limit = '2GiB'")
    assert given.target.memory == 2**31


def test_a_script_has_the_forms_of_the_run_and_asks_no_table_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = with_two_forms()
    monkeypatch.setattr(engine, "collect", lambda relation: pytest.fail("a query was run"))
    off = ht.PlannerOptions(statistics="off")
    aware, unaware = (
        retrieval(source("arrow", Path()), engine),
        retrieval(source("arrow", Path()), engine, planner_options=off),
    )
    assert ("v_stream" in aware.to_sql(), "v_stream" in unaware.to_sql()) == (False, True)


def test_known_keys_have_one_row_each(tmp_path: Path) -> None:
    answered: list[int | None] = []

    class Noting(DataStatistics):
        def most(self, relation: Relation, columns: Sequence[str]) -> int | None:
            answered.append(super().most(relation, columns))
            return answered[-1]

    class Engine(ht.LocalComputeEngine):
        forms = frozenset({"RangeMax", "UnionLast"})
        rates = SLOW

        def statistics(self, known: object = None) -> Statistics:
            return Noting(self.collect)

    keyed, keyless = (
        ht.FeatureView(f"by_{len(keys)}", entities=keys, source=source("arrow", tmp_path), features=["v"])
        for keys in (["k"], [])
    )
    path = tmp_path / "online.db"
    ht.FeatureStore([keyed, keyless], engine=Engine(), online_store=ht.SqliteOnlineStore(path)).materialize(
        "2024-01-01"
    )
    assert answered == [1], "without keys there is one row, and every event is its own"
