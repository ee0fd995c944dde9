"""The DAG of a task: nodes by content, each run once, values closed, and nodes and engines of one's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import hitherto as ht
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hitherto.planner.dag.write import WriteNode
from hitherto.planner.types import FLOAT64, INT64, Field, Schema


def us(*times: int | None) -> pa.Array:
    return pa.array(times, pa.timestamp("us"))


class Rows(ht.DAGValue):
    """Arrow rows that tell how often they were closed."""

    def __init__(self, table: pa.Table, schema: Schema) -> None:
        self.table = table
        self.closed = 0
        self._schema = schema

    @property
    def schema(self) -> Schema:
        return self._schema

    def to_reader(self, order_by: str | None = None) -> pa.RecordBatchReader:
        table = self.table if order_by is None else self.table.sort_by(order_by).drop([order_by])
        return table.to_reader()

    def close(self) -> None:
        self.closed += 1


NUMBER = Schema([Field("n", INT64)])


class Constant(ht.DAGNode):
    """A number, for plans without an engine."""

    def __init__(self, name: str, number: int, *inputs: ht.DAGNode) -> None:
        super().__init__(name, *inputs)
        self.number = number
        self.runs = 0

    def parameters(self) -> Hashable:
        return self.number

    def execute(self, context: ht.ExecutionContext) -> Rows:
        self.runs += 1
        assert all(context.outputs[node.fingerprint].closed == 0 for node in self.inputs)  # type: ignore[attr-defined]
        return Rows(pa.table({"n": [self.number]}), NUMBER)


class Other(Constant):
    """The same, of another type."""


class Anonymous(Constant):
    """A node that says nothing of what it depends on."""

    def parameters(self) -> None:
        return None


class Depending(Constant):
    """A node that depends on anything."""

    def __init__(self, parameters: Hashable) -> None:
        super().__init__("depending", 0)
        self._parameters = parameters

    def parameters(self) -> Hashable:
        return self._parameters


class Failing(Constant):
    def execute(self, context: ht.ExecutionContext) -> Rows:
        raise RuntimeError("no")


def context() -> ht.ExecutionContext:
    return ht.ExecutionContext()


def test_equal_nodes_have_one_fingerprint_whatever_they_are_called() -> None:
    assert Constant("a", 1).fingerprint == Constant("b", 1).fingerprint
    assert len(ht.ExecutionPlan(Constant("a", 1), Constant("b", 1)).nodes) == 1


def test_nodes_differ_by_parameters_type_and_inputs() -> None:
    one = Constant("a", 1)
    others = [Constant("a", 2), Other("a", 1), Constant("a", 1, one), Constant("a", 1, Constant("a", 2))]
    assert len({node.fingerprint for node in [one, *others]}) == 5


def test_parameters_are_compared_by_what_they_are_and_not_by_what_they_print() -> None:
    one, other = (ht.ArrowSource(pa.table({"ts": us(1), "v": [v]}), timestamp_field="ts") for v in (1.0, 2.0))
    assert repr(one) == repr(other)
    assert Depending(one).fingerprint == Depending(one).fingerprint
    assert Depending(one).fingerprint != Depending(other).fingerprint
    assert Depending((1, (one,))).fingerprint != Depending((1, (other,))).fingerprint
    assert Depending(frozenset({1, 2})).fingerprint == Depending(frozenset({2, 1})).fingerprint


def test_classes_of_one_name_from_two_modules_are_different_types() -> None:
    one, two = (type("Clean", (Constant,), {"__module__": module}) for module in ("mine", "yours"))
    assert one("a", 1).fingerprint != two("a", 1).fingerprint


def test_a_node_without_parameters_is_itself_alone() -> None:
    one, two = Anonymous("a", 1), Anonymous("a", 1)
    assert one.fingerprint == one.fingerprint != two.fingerprint


def test_the_order_of_inputs_counts() -> None:
    one, two = Constant("a", 1), Constant("a", 2)
    assert Constant("c", 3, one, two).fingerprint != Constant("c", 3, two, one).fingerprint


def test_with_inputs_makes_a_copy_and_changes_nothing() -> None:
    one, two = Constant("a", 1), Constant("b", 2)
    node = Constant("c", 3, one)
    before = node.fingerprint
    copy = node.with_inputs(two)
    assert (node.inputs, node.fingerprint) == ((one,), before)
    assert (copy.inputs, copy.name, type(copy)) == ((two,), "c", Constant)
    assert copy.fingerprint == Constant("c", 3, two).fingerprint != before


def test_nodes_come_after_their_inputs() -> None:
    bottom = Constant("bottom", 1)
    left, right = Constant("left", 2, bottom), Constant("right", 3, bottom)
    top = Constant("top", 4, left, right)
    plan = ht.ExecutionPlan(top)
    assert [node.name for node in plan.nodes] == ["bottom", "left", "right", "top"]
    plan.validate()


def test_a_cycle_is_an_error() -> None:
    one = Constant("one", 1)
    two = Constant("two", 2, one)
    one.inputs = (two,)
    with pytest.raises(ValueError, match=r"the plan has a cycle through Constant\('two'\)"):
        ht.ExecutionPlan(two)


def test_a_node_before_its_input_is_an_error() -> None:
    bottom = Constant("bottom", 1)
    plan = ht.ExecutionPlan(Constant("top", 2, bottom))
    plan.nodes = plan.nodes[::-1]
    with pytest.raises(ValueError, match=r"Constant\('top'\) comes before its input Constant\('bottom'\)"):
        plan.execute(context())


def test_a_plan_of_many_diamonds_is_walked_once() -> None:
    class Walked(tuple[ht.DAGNode, ...]):
        count = 0

        def __iter__(self) -> Iterator[ht.DAGNode]:
            Walked.count += 1
            return super().__iter__()

    node: ht.DAGNode = Constant("bottom", 0)
    for level in range(1, 11):
        node = Constant("top", level, Constant("left", -level, node), Constant("right", 100 + level, node))
        node.inputs = Walked(node.inputs)
    assert len(ht.ExecutionPlan(node).nodes) == 31
    assert Walked.count < 100


def test_every_fingerprint_runs_once_and_outputs_come_in_order() -> None:
    shared = Constant("shared", 1)
    left, right, again = Constant("l", 2, shared), Constant("r", 3, shared), Constant("l again", 2, shared)
    values = ht.ExecutionPlan(right, left, again).execute(context())
    assert [value.table["n"][0].as_py() for value in values] == [3, 2, 2]  # type: ignore[attr-defined]
    assert (shared.runs, left.runs, right.runs, again.runs) == (1, 1, 1, 0)


def test_a_value_is_closed_after_its_last_consumer_and_an_output_stays_open() -> None:
    bottom = Constant("bottom", 1)
    middle = Constant("middle", 2, bottom)
    top = Constant("top", 3, middle, bottom)
    values: dict[str, Rows] = {}

    class Watching(dict[str, Any]):
        def __setitem__(self, key: str, value: Rows) -> None:
            values[key] = value
            super().__setitem__(key, value)

    running = context()
    running.outputs = Watching()
    (result,) = ht.ExecutionPlan(top).execute(running)
    closed = [values[node.fingerprint].closed for node in (bottom, middle, top)]
    assert closed == [1, 1, 0]
    running.close()
    assert result.closed == 1  # type: ignore[attr-defined]
    assert running.outputs == {}


def test_an_error_closes_every_value() -> None:
    bottom = Constant("bottom", 1)
    running = context()
    made = Rows(pa.table({"n": [1]}), NUMBER)
    running.outputs["kept"] = made
    with pytest.raises(RuntimeError, match="no"):
        ht.ExecutionPlan(Failing("failing", 2, bottom)).execute(running)
    assert made.closed == 1
    assert running.outputs == {}


EVENTS = pa.table({"k": [1, 1, 2], "ts": us(10, 20, 10), "v": [1.0, 2.0, 3.0]})
SPINE = pa.table({"k": [1, 2, 3], "t": us(25, 15, 15)})


def view(name: str = "last", source: ht.Source | None = None, **changes: Any) -> ht.FeatureView:
    given: dict[str, Any] = {"entities": ["k"], "source": source or ht.ArrowSource(EVENTS, timestamp_field="ts")}
    return ht.FeatureView(name, **given | changes)


def answer(*views: Any, engine: ht.ComputeEngine | None = None, unfused: bool = False) -> pa.Table:
    store = ht.FeatureStore(list(views), engine=engine, planner_options=ht.PlannerOptions(unfused=unfused))
    return store.get_historical_features(SPINE, list(views), full_feature_names=True).to_arrow()


UNFUSED = pytest.mark.parametrize("unfused", [False, True], ids=["fused", "unfused"])


@UNFUSED
def test_two_sources_of_one_name_do_not_overwrite_each_other(tmp_path: Any, unfused: bool) -> None:
    views = []
    for number in (1, 2):
        path = tmp_path / str(number) / "events.parquet"
        path.parent.mkdir()
        pq.write_table(EVENTS.set_column(2, "v", pc.multiply(EVENTS["v"], float(number))), path)
        views.append(view(f"v{number}", ht.FileSource(path, timestamp_field="ts")))
        data = EVENTS.set_column(2, "v", pc.multiply(EVENTS["v"], 10.0 * number))
        views.append(view(f"a{number}", ht.ArrowSource(data, timestamp_field="ts")))
    table = answer(*views, unfused=unfused)
    assert table["v1__v"].to_pylist() == [2.0, 3.0, None]
    assert table["v2__v"].to_pylist() == [4.0, 6.0, None]
    assert table["a1__v"].to_pylist() == [20.0, 30.0, None]
    assert table["a2__v"].to_pylist() == [40.0, 60.0, None]


class Doubled(ht.DAGNode):
    """A user's node: doubles ``v`` in Python."""

    values: list[Rows]

    def __init__(self, rows: ht.DAGNode, schema: Schema, values: list[Rows]) -> None:
        super().__init__("doubled", rows)
        self._schema = schema
        self.values = values

    @property
    def output_schema(self) -> Schema:
        return self._schema

    def execute(self, context: ht.ExecutionContext) -> Rows:
        table = context.outputs[self.inputs[0].fingerprint].to_reader().read_all()
        doubled = pc.multiply(table["v"], pa.scalar(2.0))
        made = Rows(table.set_column(table.column_names.index("v"), "v", doubled), self._schema)
        self.values.append(made)
        return made


def doubling_engine(values: list[Rows] | None = None) -> ht.LocalComputeEngine:
    made = [] if values is None else values

    class Builder(ht.FeatureBuilder):
        def build_transformation_node(self, node: ht.DAGNode) -> ht.DAGNode:
            schema = node.lower(*(below.lower() for below in node.inputs)).schema  # type: ignore[attr-defined]
            return Doubled(super().build_transformation_node(node), schema, made)

    class Engine(ht.LocalComputeEngine):
        builder = Builder

    return Engine()


WINDOWS = {"aggregations": [ht.Aggregation("v", "sum"), ht.Aggregation("v", "mean", "7us")]}


@UNFUSED
def test_a_python_node_inside_a_sql_plan_gives_the_right_answer(unfused: bool) -> None:
    views = [view(filter="v < 3 or k = 2"), view("sums", **WINDOWS)]
    table = answer(*views, engine=doubling_engine(), unfused=unfused)
    assert table["last__v"].to_pylist() == [4.0, 6.0, None]
    assert table["sums__sum_v"].to_pylist() == [6.0, 6.0, None]
    assert table["sums__mean_v_7us"].to_pylist() == [4.0, 6.0, None]


def test_a_python_node_bounds_the_queries_around_it() -> None:
    store = ht.FeatureStore([view(filter="v > 0")], engine=doubling_engine())
    job = store.get_historical_features(SPINE, "last")
    names = [statement["name"] for statement in job.explain("sql").to_dict()["statements"]]
    python = names.index("doubled")
    assert 0 < python < len(names) - 1
    assert "-- runs in Python: doubled" in job.to_sql()
    below = job.explain("sql").to_dict()["statements"][python - 1]["sql"]
    assert '"v" > ' in below


@UNFUSED
def test_the_value_of_a_python_node_is_closed_once(unfused: bool) -> None:
    values: list[Rows] = []
    answer(view(), view("sums", **WINDOWS), engine=doubling_engine(values), unfused=unfused)
    assert values
    assert [value.closed for value in values] == [1] * len(values)


def test_a_python_node_is_materialized_as_it_is_retrieved(tmp_path: Any) -> None:
    online = ht.SqliteOnlineStore(tmp_path / "online.db")
    store = ht.FeatureStore([view()], engine=doubling_engine(), online_store=online)
    store.materialize("2024-01-01")
    assert store.get_online_features("last", [{"k": 1}, {"k": 9}]).to_dict() == {"k": [1, 9], "v": [4.0, None]}


def test_a_node_that_sql_reads_has_to_say_its_schema() -> None:
    class Silent(Doubled):
        output_schema = None  # type: ignore[assignment]

    class Builder(ht.FeatureBuilder):
        def build_transformation_node(self, node: ht.DAGNode) -> ht.DAGNode:
            return Silent(node, NUMBER, [])

    class Engine(ht.LocalComputeEngine):
        builder = Builder

    with pytest.raises(TypeError, match=r"Silent\('doubled'\) is read by SQL, so it has to say its output_schema"):
        answer(view(), engine=Engine())


def test_a_builder_that_changes_one_step_keeps_the_others() -> None:
    class OnlyNew(ht.FeatureBuilder):
        """Leaves the filters of all views out."""

        def build_filter_node(self, node: ht.DAGNode) -> ht.DAGNode:
            return node

    class Engine(ht.LocalComputeEngine):
        builder = OnlyNew

    filtered = view(filter="v < 2", columns={"half": "v / 2"})
    assert answer(filtered)["last__half"].to_pylist() == [0.5, None, None]
    assert answer(filtered, engine=Engine())["last__half"].to_pylist() == [1.0, 1.5, None]


@UNFUSED
def test_every_node_can_run_alone(unfused: bool) -> None:
    views = [view(filter="v < 9", columns={"w": "v + 1"}), view("sums", post_aggregation={"x": "sum_v * 2"}, **WINDOWS)]
    table = answer(*views, unfused=unfused)
    assert table.drop(["k", "t"]).to_pylist() == [
        {"last__v": 2.0, "last__w": 3.0, "sums__sum_v": 3.0, "sums__mean_v_7us": 2.0, "sums__x": 6.0},
        {"last__v": 3.0, "last__w": 4.0, "sums__sum_v": 3.0, "sums__mean_v_7us": 3.0, "sums__x": 6.0},
        {"last__v": None, "last__w": None, "sums__sum_v": None, "sums__mean_v_7us": None, "sums__x": None},
    ]


class HandReadNode(ht.DAGNode):
    """The rows of an in-memory source."""

    def __init__(self, table: pa.Table) -> None:
        super().__init__("read")
        self.table = table

    def execute(self, context: ht.ExecutionContext) -> Rows:
        return Rows(self.table, Schema([Field("v", FLOAT64)]))


class HandLatestNode(ht.DAGNode):
    """Latest values by a loop."""

    def __init__(self, task: ht.HistoricalRetrievalTask, view: Any, rows: ht.DAGNode) -> None:
        super().__init__(view.name, rows)
        self.task = task
        self.view = view

    def execute(self, context: ht.ExecutionContext) -> Rows:
        events = context.outputs[self.inputs[0].fingerprint].to_reader().read_all().to_pylist()
        asked = [output for output in self.task.outputs if output.view == self.view.name]
        columns: dict[str, list[Any]] = {output.name: [] for output in asked}
        (key,) = self.view.keys
        for row in self.task.spine.data.value.to_pylist():  # type: ignore[union-attr]
            visible = [
                event
                for event in events
                if event[key.column] == row[key.spine_column] and event["ts"] <= row[self.task.timestamp]
            ]
            winner = max(visible, key=lambda event: event["ts"], default={})
            for output in asked:
                columns[output.name].append(winner.get(output.feature))
        return Rows(pa.table(columns), Schema([Field("v", FLOAT64)]))


class HandBuilder:
    """One read and one latest value for each view."""

    @classmethod
    def plan(cls, task: Any) -> ht.ExecutionPlan:
        reads = [HandReadNode(view.table.data.value) for view in task.views]
        return ht.ExecutionPlan(*(HandLatestNode(task, *pair) for pair in zip(task.views, reads, strict=True)))


class HandEngine(ht.ComputeEngine):
    """An engine from outside: no SQL at all."""

    builder = HandBuilder  # type: ignore[assignment]

    def get_historical_features(self, task: ht.HistoricalRetrievalTask) -> pa.Table:
        values = self.plan(task).execute(context())
        columns = {name: column for value in values for name, column in value.table.to_pydict().items()}  # type: ignore[attr-defined]
        return pa.table(columns)


def test_an_engine_from_outside_answers_through_the_store() -> None:
    views = [view(), view("other").with_name("again")]
    assert answer(*views, engine=HandEngine()) == answer(*views)


def test_the_forms_of_a_job_work_with_an_engine_from_outside() -> None:
    job = ht.FeatureStore([view()], engine=HandEngine()).get_historical_features(SPINE, "last")
    assert job.to_batches().read_all() == job.to_arrow()
    assert job.to_df()["v"].tolist()[:2] == [2.0, 3.0]


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda job: job.to_sql(), "to_sql"),
        (lambda job: job.explain("sql"), r"explain\('sql'\)"),
        (lambda job: job.explain(analyze=True), r"explain\(analyze=True\)"),
    ],
)
def test_what_needs_sql_says_so_with_an_engine_from_outside(call: Callable[[Any], Any], what: str) -> None:
    job = ht.FeatureStore([view()], engine=HandEngine()).get_historical_features(SPINE, "last")
    with pytest.raises(ht.UnsupportedError, match=f"{what} needs an engine that runs SQL; HandEngine does not"):
        call(job)


def test_an_engine_from_outside_is_explained_by_its_nodes() -> None:
    job = ht.FeatureStore([view()], engine=HandEngine()).get_historical_features(SPINE, "last")
    lines = str(job.explain()).splitlines()
    assert lines[:4] == [
        "Query   1 view, 1 feature, spine 3 rows, HandEngine",
        "dag",
        "  HandLatestNode",
        "  └─ HandReadNode",
    ]
    assert "sql" not in lines
    assert [node["kind"] for node in job.explain().to_dict()["dag"]["nodes"]] == ["HandReadNode", "HandLatestNode"]


def test_nodes_that_execute_themselves_are_materialized_without_sql(tmp_path: Any) -> None:
    class Read(ht.DAGNode):
        """Rows that say no schema, since no SQL reads them."""

        def execute(self, context: ht.ExecutionContext) -> Rows:
            return Rows(pa.table({"row": [0, 1], "k": [1, None], "v": [2.0, None]}), Schema([Field("v", FLOAT64)]))

    class Builder(ht.FeatureBuilder):
        def build_source_node(self) -> ht.DAGNode:
            return Read(self.view.name)

        def build_output_nodes(self, spine: Any, joined: ht.DAGNode) -> ht.DAGNode:
            return WriteNode(self.view.view, {"k": "integer"}, "row", 30, False, self.build_events())

    class Engine(ht.ComputeEngine):
        builder = Builder

        def get_historical_features(self, task: ht.HistoricalRetrievalTask) -> pa.Table:
            raise AssertionError("a materialization asks for no retrieval")

    store = ht.FeatureStore(
        [view(), view("again")], engine=Engine(), online_store=ht.SqliteOnlineStore(tmp_path / "online.db")
    )
    assert [each.rows for each in store.materialize("2024-01-01").views.values()] == [1, 1]
    assert store.get_online_features("last", [{"k": 1}]).to_dict()["v"] == [2.0]


def test_an_engine_that_drops_rows_is_found_out() -> None:
    class Short(HandEngine):
        def get_historical_features(self, task: ht.HistoricalRetrievalTask) -> pa.Table:
            return super().get_historical_features(task).slice(1)

    job = ht.FeatureStore([view()], engine=Short()).get_historical_features(SPINE, "last")
    for run in (job.to_arrow, lambda: job.to_batches().read_all()):
        with pytest.raises(ht.EngineError, match="2 answers for 3 spine rows"):
            run()


def test_a_python_node_is_the_same_over_other_inputs() -> None:
    below = Constant("below", 1)
    node = Anonymous("a", 1, below)
    assert node.with_inputs(below).fingerprint == node.fingerprint
    assert node.with_inputs(Constant("other", 2)).fingerprint != node.fingerprint
    assert Anonymous("a", 1, below).fingerprint != node.fingerprint


def test_the_values_of_python_nodes_have_names_that_are_the_same_in_every_process() -> None:
    def names(*views: ht.FeatureView) -> list[str]:
        job = ht.FeatureStore(views, engine=doubling_engine()).get_historical_features(
            SPINE, list(views), full_feature_names=True
        )
        return re.findall(r'FROM "(doubled_\d+)"', str(job.explain("sql")))

    assert (
        names(view(), view("sums", **WINDOWS)) == names(view(), view("sums", **WINDOWS)) == ["doubled_1", "doubled_2"]
    )


def test_the_values_of_python_nodes_take_no_name_of_a_table() -> None:
    source = ht.ArrowSource(pa.table({"k": [1], "ts": us(10), "v": [1.5]}), timestamp_field="ts", name="doubled_1")
    made = ht.FeatureView("last", entities=["k"], source=source)
    job = ht.FeatureStore([made], engine=doubling_engine()).get_historical_features(SPINE, made)
    assert 'FROM "doubled_2"' in str(job.explain("sql"))
    assert job.to_arrow()["v"].to_pylist()[0] == 3.0


def test_what_views_have_in_common_is_one_node() -> None:
    store = ht.FeatureStore([view(), view("again")])
    job = store.get_historical_features(SPINE, ["last", "again"], full_feature_names=True)
    kinds = [node["kind"] for node in job.explain("dag").to_dict()["dag"]["nodes"]]
    assert (kinds.count("SpineNode"), kinds.count("ReadNode"), kinds.count("DedupNode")) == (1, 1, 2)


def test_what_fails_for_one_output_leaves_the_others() -> None:
    below = Constant("below", 1)
    plan = ht.ExecutionPlan(Constant("top", 2, Failing("bad", 3, below)), Constant("good", 4, below))
    run = context()
    failure, value = plan.outcomes(run)
    assert isinstance(failure, ht.Failure)
    assert (failure.node.name, str(failure.error)) == ("bad", "no")
    assert isinstance(value, Rows)
    assert value.table["n"].to_pylist() == [4]
    assert list(run.outputs) == [plan.outputs[1].fingerprint]
