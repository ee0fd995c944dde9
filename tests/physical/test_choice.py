"""Which form is taken: by the order of preference, by what is known of the data, or by force; the answer is one."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import hitherto as ht
import pyarrow as pa
import pytest
from hitherto.planner.physical import FORM_NAMES
from hitherto.planner.statistics import Keys, Statistics
from hypothesis import given, seed, settings

from tests.engines import with_forms
from tests.interpreter import Interpreted
from tests.worlds import World, differences, plain_worlds, worlds

EVENTS = pa.table({
    "k": [1, 1, 2],
    "ts": pa.array([10, 50, 10], pa.timestamp("us")),
    "v": [1.0, 2.0, 3.0],
})  # fmt: skip
ROWS = pa.table({"k": [1, 1, 2], "t": pa.array([12, 80, 60], pa.timestamp("us"))})
SOURCE = ht.ArrowSource(EVENTS, timestamp_field="ts")


def latest(name: str = "last", **given: Any) -> ht.FeatureView:
    return ht.FeatureView(name, **{"entities": ["k"], "source": SOURCE, "features": ["v"], **given})


def windows(name: str = "sums") -> ht.FeatureView:
    return latest(
        name, features=None, aggregations=[ht.Aggregation("v", each, "20us") for each in ("sum", "stddev_pop")]
    )


def store(*views: ht.FeatureView, engine: ht.ComputeEngine | None = None, **options: Any) -> ht.FeatureStore:
    return ht.FeatureStore(list(views), engine=engine, planner_options=ht.PlannerOptions(**options))


def job(*views: ht.FeatureView, known: bool = False, **given: Any) -> ht.RetrievalJob:
    return store(*views, **given).get_historical_features(
        ROWS, list(views), full_feature_names=True, filter_by_created_timestamp=known
    )


def choices(made: ht.RetrievalJob) -> dict[str, str]:
    return {each["view"]: each["reason"] for each in made.explain("physical").to_dict()["choices"]}


@pytest.mark.parametrize("form", ["NarrowAsof", "RangeMax", "UnionLast"])
def test_a_form_is_forced_by_view(form: str) -> None:
    made = job(latest(), windows(), forms={"last": form})
    assert choices(made)["last"] == f"{form}, forced"
    assert choices(made)["sums"].startswith("EventIndexWindows ")
    assert f"{form} last" in str(made.explain("physical"))
    assert made.to_arrow() == job(latest(), windows()).to_arrow()


def test_views_that_are_forced_alike_are_fused_and_others_are_not() -> None:
    views = [latest(name) for name in "abcd"]
    made = job(*views, forms={"a": "RangeMax", "b": "RangeMax", "c": "UnionLast"})
    *forced, (free, reason) = choices(made).items()
    assert dict(forced) == {"a, b": "RangeMax, forced", "c": "UnionLast, forced"}
    assert (free, reason.split(" ")[0]) == ("d", "EventIndexLatest")
    assert made.to_arrow() == job(*views).to_arrow()


def test_windows_that_are_forced_and_windows_that_are_not_stay_apart() -> None:
    views = [windows("a"), windows("b")]
    made = job(*views, forms={"a": "BucketedWindows"})
    assert choices(made)["a"] == "BucketedWindows, forced"
    assert choices(made)["b"].startswith("EventIndexWindows ")
    assert made.to_arrow() == job(*views).to_arrow()


@pytest.mark.parametrize(
    ("form", "known", "options", "fitting"),
    [
        ("BucketedWindows", False, {}, "EventIndexLatest, EventIndexThenFetch, NarrowAsof, RangeMax, UnionLast"),
        ("RunningMaximum", False, {}, "EventIndexLatest, EventIndexThenFetch, NarrowAsof, RangeMax, UnionLast"),
        ("NarrowAsof", True, {}, "RangeMax, RunningMaximum, RunningMaximumStream"),
        ("RangeMax", False, {"unfused": True}, "NarrowAsof, UnionLast"),
    ],
)
def test_a_form_that_does_not_answer_a_view_is_refused_before_anything_is_read(
    tmp_path: Path, form: str, known: bool, options: dict[str, Any], fitting: str
) -> None:
    source = ht.ArrowSource(
        EVENTS.append_column("made", EVENTS["ts"]), timestamp_field="ts", created_timestamp_column="made"
    )
    view = latest(source=source)
    with pytest.raises(ht.DefinitionError) as raised:
        job(view, known=known, forms={"last": form}, **options)
    first, listed, *_ = str(raised.value).splitlines()
    assert first == f"planner_options: forms: feature view 'last' is answered here by no form '{form}'"
    assert listed == f"  forms that apply: {fitting}"
    online = ht.FeatureStore(
        [view],
        online_store=ht.SqliteOnlineStore(tmp_path / "online.db"),
        planner_options=ht.PlannerOptions(forms={"last": form}, **options),
    )
    with pytest.raises(ht.DefinitionError, match=f"answered here by no form '{form}'"):
        online.materialize("2024-01-01", filter_by_created_timestamp=known)
    assert not (tmp_path / "online.db").exists()


def test_every_view_with_an_unfit_form_is_told_at_once() -> None:
    spread = latest("spread", features=None, aggregations=[ht.Aggregation("v", "stddev_pop", "20us")])
    with pytest.raises(ht.DefinitionError) as raised:
        job(spread, forms={"spread": "NarrowAsof"})
    assert "feature view 'spread' is answered here by no form 'NarrowAsof'" in str(raised.value)
    with pytest.raises(ht.DefinitionError) as raised:
        job(latest(), windows(), forms={"last": "BucketedWindows", "sums": "RangeMax"})
    assert len(raised.value.problems) == 2


def test_a_forced_form_answers_materializations_and_nodes_that_run_alone(tmp_path: Path) -> None:
    for number, options in enumerate(({}, {"unfused": True})):
        given = ht.FeatureStore(
            [latest()],
            online_store=ht.SqliteOnlineStore(tmp_path / f"{number}.db"),
            planner_options=ht.PlannerOptions(forms={"last": "UnionLast"}, **options),  # type: ignore[arg-type]
        )
        given.materialize("2024-01-01")
        assert given.get_online_features(["last:v"], entity_rows=[{"k": 1}, {"k": 9}]).to_dict()["v"] == [2.0, None]


def test_an_engine_that_plans_nothing_has_no_forms() -> None:
    class ByHand(ht.ComputeEngine):
        def get_historical_features(self, task: Any) -> pa.Table:
            raise AssertionError("nothing is to be answered")

    with pytest.raises(ht.DefinitionError, match="forms: the engine has none"):
        job(latest(), engine=ByHand(), forms={"last": "NarrowAsof"})


def test_options_with_forms_are_copied_and_pickled_and_do_not_change() -> None:
    given = {"last": "RangeMax"}
    options = ht.PlannerOptions(forms=given)
    given["last"] = "UnionLast"
    assert options.forms == {"last": "RangeMax"}
    for twin in (copy.copy(options), copy.deepcopy(options), pickle.loads(pickle.dumps(options))):
        assert (twin, hash(twin)) == (options, hash(options))
    assert options != ht.PlannerOptions()


class Lying(Statistics):
    """An oracle that answers what comes to its mind."""

    def __init__(self, number: int) -> None:
        self._random = Random(number)

    def rows(self, relation: object) -> int | None:
        return self._random.choice((None, 0, 1, 10**12))

    def span(self, relation: object, column: str) -> tuple[int, int] | None:
        return self._random.choice((None, (0, 0), (5, -5), (-(2**63), 2**63 - 1)))

    def distinct(self, relation: object, columns: Sequence[str]) -> int | None:
        return self.rows(relation)

    def most(self, relation: object, columns: Sequence[str]) -> int | None:
        return self.rows(relation)

    def pairs(self, spine: object, events: object, keys: Keys) -> int | None:
        return self.rows(spine)

    def width(self, relation: object) -> int | None:
        return self.rows(relation)


def lying(engine: Any, number: int) -> Any:
    """The engine with an oracle that lies."""
    engine.statistics = lambda known=None: Lying(number)
    return engine


OFFERED = [("RangeMax", "UnionLast", "RunningMaximum", "BucketedWindows"), FORM_NAMES]


@pytest.mark.parametrize("examples", [12, pytest.param(120, marks=pytest.mark.deep)])
def test_an_oracle_that_lies_changes_no_row(examples: int) -> None:
    taken: set[str] = set()

    @seed(3)
    @settings(max_examples=examples)
    @given(worlds())
    def check(world: World) -> None:
        for number, forms in enumerate(OFFERED):
            made = world.job(lying(with_forms(ht.LocalComputeEngine(), *forms), number + len(taken)))
            assert not differences(world, world.expected(), made.to_arrow())
            taken.update(each["form"] for each in made.explain("physical").to_dict()["choices"])

    check()
    assert {"RangeMax", "UnionLast"} <= taken


def test_an_oracle_that_lies_changes_no_row_without_an_engine() -> None:
    @seed(3)
    @settings(max_examples=8)
    @given(plain_worlds())
    def check(world: World) -> None:
        made = world.job(lying(Interpreted(*OFFERED[0]), len(world.views)))
        assert not differences(world, world.expected(), made.to_arrow())

    check()


@pytest.mark.deep
def test_an_oracle_that_lies_changes_no_row_on_spark(spark: Any) -> None:
    views = [latest(), latest("young", ttl="30us"), windows()]
    wanted = job(*views).to_arrow()
    for number in range(4):
        found = job(*views, engine=lying(ht.SparkComputeEngine(spark), number))
        assert found.to_arrow() == wanted
