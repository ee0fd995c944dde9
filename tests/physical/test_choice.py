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
import pyarrow.compute as pc
import pytest
from hitherto.planner.ir.logical import NumberRows, Relation, topological
from hitherto.planner.physical import FORM_NAMES, FORMS, Form
from hitherto.planner.physical.sizes import Sizes
from hitherto.planner.statistics import Cost, Keys, NoStatistics, Statistics
from hitherto.runtime.engines.capacity import DUCKDB
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from tests.engines import with_forms
from tests.interpreter import Interpreted
from tests.options import GRIDS, T
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


def over(function: str, window: str | None = "20us", **given: Any) -> ht.FeatureView:
    return latest("windows", features=None, aggregations=[ht.Aggregation("v", function, window, **given)])


SQL_ENGINES = [ht.LocalComputeEngine(), ht.SparkComputeEngine()]
"""Nothing is run here, so no Spark is started."""


@pytest.mark.parametrize(
    ("view", "in_duckdb", "in_spark"),
    [
        (latest(), "NarrowAsof", "UnionLast"),
        (latest(ttl="20us"), "NarrowAsof", "UnionLast"),
        (windows(), "TiledWindows", "ExplodedTiles"),
        (over("stddev_pop", closed="both", where="v > 1"), "TiledWindows", "ExplodedTiles"),
        (over("median", "20us"), "BucketedWindows", "BucketedWindows"),
        (over("sum", None), "BucketedWindows", "BucketedWindows"),
        (over("sum", "1us", closed="neither"), "BucketedWindows", "BucketedWindows"),
    ],
)
def test_without_statistics_the_form_with_the_best_worst_case_is_taken(
    view: ht.FeatureView, in_duckdb: str, in_spark: str
) -> None:
    """No form that makes a pair of each row and each event in its window, where another gives the answer."""
    task = job(view, statistics="off")._task
    taken = [engine.planner.in_sql.plan(task, NoStatistics()).choices for engine in SQL_ENGINES]
    assert [[each.form for each in choices] for choices in taken] == [[in_duckdb], [in_spark]]


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


WINDOWED = ("TiledWindows", "BucketedWindows")
OFFERED = [
    ("RangeMax", "UnionLast", "RunningMaximum", "BucketedWindows"),
    ("BucketedRange", "RangeMax", *WINDOWED),
    ("BucketedMax", "RangeMax", *WINDOWED),
    FORM_NAMES,
]


class Exaggerating(Statistics):
    """An oracle that multiplies what it knows, divides it, or keeps silent."""

    def __init__(self, known: Statistics, number: int) -> None:
        self._known = known
        self._random = Random(number)

    def _told(self, count: int | None) -> int | None:
        factor = self._random.choice((None, 0.0, 0.001, 0.1, 1.0, 10.0, 1e6))
        return None if count is None or factor is None else round(count * factor)

    def rows(self, relation: Relation) -> int | None:
        return self._told(self._known.rows(relation))

    def span(self, relation: Relation, column: str) -> tuple[int, int] | None:
        span = self._known.span(relation, column)
        shift = self._told(10**12)
        return None if span is None or shift is None else (span[0] - shift, span[1] - shift // 2)

    def distinct(self, relation: Relation, columns: Sequence[str]) -> int | None:
        return self._told(self._known.distinct(relation, columns))

    def most(self, relation: Relation, columns: Sequence[str]) -> int | None:
        return self._told(self._known.most(relation, columns))

    def pairs(self, spine: Relation, events: Relation, keys: Keys) -> int | None:
        return self._told(self._known.pairs(spine, events, keys))

    def width(self, relation: Relation) -> int | None:
        return self._told(self._known.width(relation))


def exaggerating(engine: Any, number: int) -> Any:
    """The engine with an oracle that exaggerates in both directions."""
    honest = engine.statistics
    engine.statistics = lambda known=None: Exaggerating(honest(known), number)
    return engine


@pytest.mark.parametrize("examples", [6, pytest.param(120, marks=pytest.mark.deep)])
def test_an_oracle_that_lies_changes_no_row(examples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hitherto.planner.physical.choose._WORTH_COUNTING", 0)
    taken: set[str] = set()

    @seed(3)
    @settings(max_examples=examples)
    @given(worlds())
    def check(world: World) -> None:
        for number, forms in enumerate(OFFERED):
            told = (lying, exaggerating)[(number + len(world.views)) % 2]
            made = world.job(told(with_forms(ht.LocalComputeEngine(), *forms), number + len(taken)))
            assert not differences(world, world.expected(), made.to_arrow())
            taken.update(each["form"] for each in made.explain("physical").to_dict()["choices"])

    check()
    assert taken >= {"RangeMax", "UnionLast", "BucketedRange", "BucketedMax", "BucketedWindows"}


def test_an_oracle_that_lies_changes_no_row_without_an_engine() -> None:
    @seed(3)
    @settings(max_examples=8)
    @given(plain_worlds())
    def check(world: World) -> None:
        for forms in OFFERED[:3]:
            made = world.job(lying(Interpreted(*forms), len(world.views)))
            assert not differences(world, world.expected(), made.to_arrow())

    check()


def test_an_oracle_that_lies_takes_tiles_and_buckets_for_the_same_windows() -> None:
    wanted, taken = job(windows()).to_arrow(), set[str]()
    for number in range(60):
        made = job(windows(), engine=exaggerating(with_forms(ht.LocalComputeEngine(), *WINDOWED), number))
        assert made.to_arrow() == wanted
        taken.update(each["form"] for each in made.explain("physical").to_dict()["choices"])
    assert taken == set(WINDOWED)


def test_events_that_come_after_the_statistics_change_no_row() -> None:
    """A stale oracle: what it told of few events is taken of many."""
    few = store(latest(ttl="30us"), engine=with_forms(ht.LocalComputeEngine(), *FORM_NAMES))
    asked = few.get_historical_features(ROWS, "last", full_feature_names=True)
    told = asked._task.statistics
    shifts = [pa.scalar(number, pa.duration("us")) for number in range(-5, 5)]
    many = pa.concat_tables([EVENTS.set_column(1, "ts", pc.add(EVENTS["ts"], shift)) for shift in shifts])
    view = latest(ttl="30us", source=ht.ArrowSource(many, timestamp_field="ts", name="arrow"))
    engine: Any = with_forms(ht.LocalComputeEngine(), *FORM_NAMES)
    engine.statistics = lambda known=None: told
    answers = [store(view, engine=each).get_historical_features(ROWS, "last").to_arrow() for each in (engine, None)]
    assert answers[0] == answers[1]


SIZES = st.integers(0, 10**7)


@given(SIZES, SIZES, SIZES, st.integers(0, 5), st.sampled_from(FORMS), st.booleans())
def test_more_rows_and_pairs_never_make_a_form_cheaper(
    rows: int, events: int, pairs: int, which: int, form: Form[Any], known: bool
) -> None:
    nodes = [node for node in NODES[form.on][known] if form.applies_to(node)]
    if not nodes:
        return
    node = nodes[which % len(nodes)]

    def cost(*sizes: int) -> Cost:
        found = form.cost(node, Sizes(node, Counted(*sizes)), DUCKDB)
        assert found is not None
        return found

    less = cost(rows, events, pairs)
    more_of_all = [cost(2 * rows, events, 2 * pairs), cost(rows, 2 * events, 2 * pairs)]
    # More pairs of the same rows are fewer keys, and so fewer tiles.
    denser = [] if form.name in ("TiledWindows", "ExplodedTiles") else [cost(rows, events, 2 * pairs)]
    for more in (*more_of_all, *denser):
        assert more.cpu >= less.cpu * (1 - 1e-9)
        assert more.memory >= less.memory - 1


class Counted(NoStatistics):
    """An oracle of given numbers."""

    def __init__(self, rows: int, events: int, pairs: int) -> None:
        self._counts = {True: rows, False: events}
        self._pairs = pairs

    def rows(self, relation: Relation) -> int | None:
        return self._counts[any(isinstance(each, NumberRows) for each in topological(relation))]

    def span(self, relation: Relation, column: str) -> tuple[int, int] | None:
        return (T - 1000, T + 1000)

    def pairs(self, spine: Relation, events: Relation, keys: Keys) -> int | None:
        return self._pairs


NODES = {
    on: {known: tuple(make(keys=(1,), uniques=(False,)).nodes(known=known)) for known in (False, True)}
    for on, make in GRIDS.items()
}


@pytest.mark.deep
def test_an_oracle_that_lies_changes_no_row_on_spark(spark: Any) -> None:
    views = [latest(), latest("young", ttl="30us"), windows()]
    wanted = job(*views).to_arrow()
    for number in range(4):
        found = job(*views, engine=lying(ht.SparkComputeEngine(spark), number))
        assert found.to_arrow() == wanted
