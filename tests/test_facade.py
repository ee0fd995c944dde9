"""The façade: what is exported, and what a call with unfitting arguments is told."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, get_args

import hitherto as ht
import pytest
from hitherto.planner.expr.aggregates import AGGREGATES, AggregateName

# Parts of a plan and of its way to SQL: who writes an engine takes them from their modules.
INNER = {
    "Append", "Events", "Expr", "Load", "Names", "Numbers", "ProbeLatest", "ProbeWindows", "Region", "Sorting",
    "SpineNode", "SqlCompiler", "SqlSession", "SqlTarget", "Step",
}  # fmt: skip


@cache
def names_in(module: str) -> dict[str, Any]:
    """What the names in a module's annotations mean, those for type checkers alone included."""
    loaded = importlib.import_module(module)
    names = dict(vars(loaded))
    for block in ast.walk(ast.parse(inspect.getsource(loaded))):
        if not isinstance(block, ast.If) or "TYPE_CHECKING" not in ast.unparse(block.test):
            continue
        for node in ast.walk(block):
            if isinstance(node, ast.ImportFrom) and node.level:
                home = importlib.import_module("." * node.level + (node.module or ""), module.rpartition(".")[0])
                names.update({alias.asname or alias.name: getattr(home, alias.name) for alias in node.names})
    return names


def annotations_of(cls: type) -> Iterator[tuple[str, str]]:
    """The annotations of a class's public members, each with where it stands."""
    for name, annotation in vars(cls).get("__annotations__", {}).items():
        if not name.startswith("_"):
            yield f"{cls.__name__}.{name}", str(annotation)
    for name, member in vars(cls).items():
        if name.startswith("_") and name not in ("__init__", "__getitem__", "__enter__"):
            continue
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        for part, annotation in getattr(inspect.unwrap(function), "__annotations__", {}).items():
            if callable(function) and not part.startswith("_"):
                yield f"{cls.__name__}.{name}, {part}", str(annotation)


def classes_in(annotation: str, module: str) -> Iterator[type]:
    """The classes of hitherto that an annotation names, also through an alias such as ``Feature``."""
    for node in ast.walk(ast.parse(annotation, mode="eval")):
        meaning = names_in(module).get(node.id) if isinstance(node, ast.Name) else None
        for each in (meaning, *get_args(meaning)):
            if inspect.isclass(each) and each.__module__.startswith("hitherto."):
                yield each


@pytest.mark.parametrize("name", ht.__all__)
def test_every_class_that_a_public_method_takes_or_returns_is_exported(name: str) -> None:
    cls = getattr(ht, name)
    missing = {
        f"{found.__name__}: {where}"
        for where, annotation in annotations_of(cls)
        for found in classes_in(annotation, cls.__module__)
        if found.__name__ not in (*ht.__all__, *INNER)
    }
    assert missing == set()


def test_what_the_walk_finds_is_what_people_would_miss() -> None:
    """The walk sees parameters, results, attributes, aliases and names that only type checkers see."""
    texts = [text for _, text in annotations_of(ht.FeatureStore)]
    found = {each.__name__ for text in texts for each in classes_in(text, ht.FeatureStore.__module__)}
    assert {"RetrievalJob", "OnlineResponse", "FeatureViewProjection", "ComputeEngine", "Schema"} <= found


def test_the_aggregates_that_a_type_checker_knows_are_those_of_the_table() -> None:
    assert list(get_args(AggregateName)) == list(AGGREGATES)


SOURCE: dict[str, Any] = {"timestamp_field": "ts"}
MISSPELT: dict[str, tuple[Callable[[], object], str]] = {
    "Aggregation": (lambda: ht.Aggregation("usd", "sum", time_windw="7d"), "time_window"),
    "cross": (lambda: ht.Aggregation.cross(["usd"], ["sum"], ["7d"], ofset="1d"), "offset"),
    "Entity": (lambda: ht.Entity("user", join_kyes=["id"]), "join_keys"),
    "FeatureView": (lambda: view(aggregation=[]), "aggregations"),
    "with_name": (lambda: view().with_name(nam="w"), "name"),
    "FeatureService": (lambda: ht.FeatureService("s", ["v:v"], descripton=""), "description"),
    "FileSource": (lambda: ht.FileSource("x.csv", timestmp_field="ts"), "timestamp_field"),
    "ArrowSource": (lambda: ht.ArrowSource({}, timestamp_feild="ts"), "timestamp_field"),
    "TableSource": (lambda: ht.TableSource("t", **SOURCE, uniqe=True), "unique"),
    "QuerySource": (lambda: ht.QuerySource("SELECT 1", **SOURCE, data_dealy="1h"), "data_delay"),
    "FeatureStore": (lambda: ht.FeatureStore([], onlin_store=None), "online_store"),
    "PlannerOptions": (lambda: ht.PlannerOptions(disabled_rule=()), "disabled_rules"),
    "LocalComputeEngine": (lambda: ht.LocalComputeEngine(thread=2), "threads"),
    "SparkComputeEngine": (lambda: ht.SparkComputeEngine(sesion=None), "session"),
    "SqliteOnlineStore": (lambda: ht.SqliteOnlineStore(pth="x"), "path"),
    "get_historical_features": (lambda: store().get_historical_features([], feature="v"), "features"),
    "materialize": (lambda: store().materialize("2024-01-01", view=["v"]), "views"),
    "get_online_features": (lambda: store().get_online_features("v", entity_row=[]), "entity_rows"),
}  # fmt: skip


def view(**more: Any) -> ht.FeatureView:
    return ht.FeatureView("v", entities=["k"], source=ht.FileSource("x.csv", timestamp_field="ts"), **more)


def store() -> ht.FeatureStore:
    return ht.FeatureStore([view()])


USED = (
    ht.Aggregation, ht.Entity, ht.FeatureView, ht.FeatureViewProjection, ht.FeatureService, ht.FeatureStore,
    ht.RetrievalJob,
)  # fmt: skip
MADE = (
    ht.FileSource, ht.ArrowSource, ht.TableSource, ht.QuerySource, ht.PlannerOptions, ht.LocalComputeEngine,
    ht.SparkComputeEngine, ht.SqliteOnlineStore,
)  # fmt: skip


def calls() -> Iterator[tuple[str, Callable[..., object]]]:
    """The calls that people write with arguments; how a job is made and a schema is read is the library's own."""
    for cls in (*USED, *MADE):
        for name, member in vars(cls).items():
            function = getattr(member, "__func__", member)
            is_called = name == "__init__" or (cls in USED and not name.startswith("_"))
            if is_called and inspect.isfunction(function) and len(inspect.signature(function).parameters) > 1:
                yield f"{cls.__name__}.{name}", function


CALLS = {name: call for name, call in calls() if not name.endswith((".schema_in", "RetrievalJob.__init__"))}


@pytest.mark.parametrize("name", CALLS)
def test_every_call_that_people_write_is_checked(name: str) -> None:
    with pytest.raises(ht.DefinitionError, match="no argument 'misspelt'"):
        CALLS[name](None, misspelt=None)


@pytest.mark.parametrize("name", MISSPELT)
def test_a_misspelt_argument_is_told_with_the_one_that_was_meant(name: str) -> None:
    call, meant = MISSPELT[name]
    with pytest.raises(ht.DefinitionError, match=rf"{name}: no argument (.|\n)*did you mean '{meant}'\?"):
        call()


@pytest.mark.parametrize(("given", "meant"), [("window", "time_window"), ("func", "function"), ("q", "p")])
def test_another_tools_word_for_an_argument_is_told_ours(given: str, meant: str) -> None:
    with pytest.raises(ht.DefinitionError, match=rf"no argument '{given}'; it is called {meant} here"):
        ht.Aggregation("usd", "percentile", **{given: "7d"})


def test_arguments_that_are_missing_or_too_many_or_given_twice_are_told() -> None:
    with pytest.raises(ht.DefinitionError, match=r"^FeatureView: entities=, source= are missing$"):
        ht.FeatureView("v")
    with pytest.raises(ht.DefinitionError, match=r"^FeatureView: 1 argument too many by position, after name; give"):
        ht.FeatureView("v", ["k"], source=view().source)
    with pytest.raises(ht.DefinitionError, match=r"^Aggregation: column is given twice, by position and by name$"):
        ht.Aggregation("usd", "sum", column="eur")


def test_every_problem_of_a_call_is_told_at_once() -> None:
    with pytest.raises(ht.DefinitionError) as caught:
        ht.Aggregation("usd", windw="7d", ofset="1d")
    assert [problem.splitlines()[0] for problem in caught.value.problems] == [
        "Aggregation: no argument 'windw'",
        "Aggregation: no argument 'ofset'",
        "Aggregation: function= is missing",
    ]


def test_a_type_error_of_the_body_of_a_call_stays_what_it_is() -> None:
    class Broken(ht.Source):
        def open(self, catalog: ht.Catalog | None = None) -> ht.Table:
            raise TypeError("a bug of this source")

        def identity(self) -> str:
            return "broken"

    broken = ht.FeatureView("v", entities=["k"], source=Broken("broken", timestamp_field="ts"))
    with pytest.raises(TypeError, match="a bug of this source"):
        ht.FeatureStore([broken]).get_historical_features([], broken)


def test_a_misspelt_name_of_the_library_is_one_that_python_can_correct() -> None:
    with pytest.raises(AttributeError) as caught:
        _ = ht.FeatureVew  # type: ignore[attr-defined]
    assert (caught.value.name, caught.value.obj) == ("FeatureVew", ht)
