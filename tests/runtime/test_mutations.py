"""Good definitions with one mutation: told as ours before anything is read or written, or answered right.

``tests.mutations`` makes them. ``LEGAL`` names those that are no mistake, with the reason, and ``EITHER`` those that
this version may refuse; all others have to be refused.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import hitherto as ht
import pytest

from tests.mutations import GOOD, InMemory, Mutation, Unreadable, World, copied, mutations

LEGAL: dict[str, tuple[str, ...]] = {
    "it may be left out": (
        "entity.description: None", "source.created_timestamp_column: None", "latest.filter: None",
        "latest.features: None", "latest.ttl: None", "latest.description: None", "latest.tags: None",
        "sum.time_window: None", "sum.offset: None", "sum.slide_interval: None", "sum.where: None",
        "cross.offset: None", "cross.slide_interval: None", "cross.where: None", "windows.columns: None",
        "service.description: None", "store.engine: None", "store.online_store: None", "store.planner_options: None",
        "request.entity_timestamp: None", "materialize.views: None", "online.max_age: None",
    ),
    "it may be empty": (
        "entity.description: an empty text", "source.sequence_columns: a list", "latest.description: an empty text",
        "latest.tags: a dict", "windows.columns: a dict", "service.description: an empty text",
        "online.entity_rows: a list", "options.disabled_rules: a list",
    ),
    "a description is any text": (
        "entity.description: a NUL", "entity.description: a million characters", "latest.description: a NUL",
        "latest.description: a million characters", "service.description: a NUL",
        "service.description: a million characters",
    ),
    "a name may be as long as it likes": (
        "entity.name: a million characters", "source.name: a million characters", "latest.name: a million characters",
        "windows.name: a million characters", "service.name: a million characters",
    ),
    "the other value of a flag": (
        "source.unique: a true value", "latest.allow_exact_matches: a true value", "options.unfused: a true value",
        "request.full_feature_names: a true value", "online.full_feature_names: a true value",
        "explain.analyze: a true value", "explain.verbose: a true value", "materialize.allow_rollback: a true value",
    ),
    "keys that keep their name": ("projection.join_key_map: None", "projection.join_key_map: a dict"),
    "a view without keys has one row for all": ("windows.entities: a list",),
    "another instant": (
        "materialize.end: a date", "materialize.end: '2023-12-31'",
        "materialize.end: datetime.datetime(2024, 1, 1, 0, 0)",
    ),
    "another duration": tuple(
        f"{argument}: {text}"
        for argument in ("source.data_delay", "latest.ttl", "sum.offset", "online.max_age")
        for text in ("'0s'", "'1 d'", "'1D'", "'1d1h'", "'a zero timedelta'")
    ) + tuple(
        f"sum.{key}: {text}" for key in ("time_window", "slide_interval") for text in ("'1 d'", "'1D'", "'1d1h'")
    ),
    "another timestamp of the source": (
        "source.created_timestamp_column: 'ts'", "source.created_timestamp_column: 'made'",
        "source.timestamp_field: 'ts'", "source.timestamp_field: 'made'",
    ),
    "an expression of some type": (
        "latest.filter: null", "sum.where: null", "latest.columns: n", "latest.columns: status",
        "latest.columns: amount", "latest.columns: 'yes'", "latest.columns: 1", "latest.columns: ts",
        "windows.post_aggregation: 'yes'", "windows.post_aggregation: 1",
    ),
    "expressions ignore case, and nothing else names the column": ("rows.status: called 'STATUS'",),
    "another column of the view": ("sum.column: 'half'", "sum.column: 'user_id'"),
    "nothing asks for the feature by that name": ("windows.post_aggregation: None", "windows.post_aggregation: a dict"),
    "no form is forced": ("options.forms: a dict",),
    "the view is asked for as an object": ("windows.name: 'Spend'", "windows.name: 'SPEND'"),
    "keys of other integers are the same keys": tuple(
        f"{part}.{key}: {name}"
        for part, key in (("rows", "user_id"), ("spine", "user_id"), ("spine", "payer_id"))
        for name in ("int8", "int32", "uint64")
    ),
    "pandas has floats where integers are null": (
        "spine.user_id: double", "spine.payer_id: double", "spine.payer_id: NaN throughout",
    ),
    "a column of nulls matches nothing": ("spine.user_id: null", "spine.payer_id: null"),
    "instants of other units, zones and dates": tuple(
        f"{column}: {name}"
        for column in ("rows.ts", "rows.made", "spine.event_timestamp")
        for name in ("date32[day]", "timestamp[s]", "timestamp[ns, tz=UTC]")
    ),
    "any order breaks ties": tuple(
        f"rows.seq: {name}"
        for name in (
            "null", "bool", "int8", "int32", "uint64", "float", "double", "string", "large_string", "binary",
            "date32[day]", "timestamp[s]", "timestamp[ns, tz=UTC]",
            "dictionary<values=string, indices=int32, ordered=0>",
        )
    ),
    "numbers are numbers": tuple(
        f"rows.{name}" for name in (
            "amt: int8", "amt: int32", "amt: uint64", "amt: float", "n: int8", "n: int32", "n: uint64", "n: float",
            "n: double",
        )
    ),
    "texts are texts": (
        "rows.status: null", "rows.status: large_string",
        "rows.status: dictionary<values=string, indices=int32, ordered=0>",
    ),
    "more in an entity row than a key, a null, an unknown key": (
        "online.entity_rows: [{'user_id': 1, 'more': 2}]", "online.entity_rows: [{'user_id': None}]",
        "online.entity_rows: [{'user_id': 1000000000000000000000000000000}]",
    ),
}  # fmt: skip
# No view needs this column of the entity rows: it comes back as it is, whatever it is.
UNTOUCHED = re.compile(r"spine\.note: (?!repeated|beside)")
EITHER = {"a view without keys, in a use that maps one": ("latest.entities: a list",)}
# An empty list of views fills nothing.
NO_WORK = "materialize.views: a list"
NAMED = {NO_WORK} | {name for names in (*LEGAL.values(), *EITHER.values()) for name in names}
ENGINE_WORDS = re.compile(
    r"Traceback|Binder Error|Parser Error|Catalog Error|Conversion Error|Invalid Input|ArrowInvalid|ParseError|"
    r"TokenError|sqlglot|\x1b|KeyError|TypeError|AttributeError|codec can't| object at 0x"
)
ALL = mutations()
PARTS = tuple(GOOD)


def is_legal(mutation: Mutation) -> bool:
    return mutation.name in NAMED or UNTOUCHED.match(mutation.name) is not None


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an online store that holds what the good definitions say."""
    folder = tmp_path_factory.mktemp("mutations")
    World(copied(), InMemory, folder / "online.db").materialize()
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def asked(mutation: Mutation, path: Path) -> object:
    """What is asked of a mutated world: the call that the mutation is about."""
    world = World(mutation.definitions(), Unreadable, path)
    return {"materialize": world.materialize, "online": world.online}.get(mutation.part, world.job)()


def complaint(mutation: Mutation, path: Path) -> str | None:
    """What is wrong with how a mutation is refused; None where nothing is."""
    try:
        asked(mutation, path)
    except ht.EngineError as error:
        return f"rows were asked for: {error}"
    except ht.HithertoError as error:
        message = str(error)
        if not any(about in message for about in mutation.about):
            return f"does not name any of {[about[:80] for about in mutation.about]}: {message}"
        found = ENGINE_WORDS.search(message)
        if found:
            return f"{found[0]!r} is nothing to say: {message}"
        return None if len(message) < 5_000 and message.strip() else f"a message of {len(message)} characters"
    except Exception as error:
        return f"a bare {type(error).__name__}: {error}"
    return "is not refused"


def test_the_good_definitions_give_the_answer_of_the_reference(tmp_path: Path) -> None:
    world = World(copied(), InMemory, tmp_path / "online.db")
    assert world.differences() == []
    assert world.online_differences() == []


def test_there_are_many_mutations_of_every_part() -> None:
    wrong = [mutation for mutation in ALL if not is_legal(mutation)]
    assert len(wrong) >= 2_000
    assert {mutation.part for mutation in wrong} == set(PARTS)
    known = {mutation.name for mutation in ALL}
    assert {name for name in NAMED if name not in known} == set()


@pytest.mark.parametrize("part", PARTS)
def test_a_mutation_is_refused_before_anything_is_read_or_written(part: str, filled: Path) -> None:
    before = contents(filled)
    wrong = [mutation for mutation in ALL if mutation.part == part and not is_legal(mutation)]
    found = {mutation.name: complaint(mutation, filled / "online.db") for mutation in wrong}
    assert {name[:200]: said[:300] for name, said in found.items() if said} == {}
    assert contents(filled) == before
    assert os.listdir(filled) == ["online.db"]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.deep
def test_a_mutation_that_is_legal_gets_the_answer_of_the_reference(part: str, tmp_path: Path) -> None:
    found: dict[str, object] = {}
    for number, mutation in enumerate(ALL):
        if mutation.part != part or not is_legal(mutation) or mutation.name == NO_WORK:
            continue
        world = World(mutation.definitions(), InMemory, tmp_path / f"{number}.db")
        may_be_refused = any(mutation.name in names for names in EITHER.values())
        try:
            found[mutation.name] = (
                world.online_differences() if part in ("materialize", "online") else world.differences()
            )
        except ht.UnknownColumnError:
            found[mutation.name] = [] if may_be_refused else "refused"
        except Exception as error:
            found[mutation.name] = f"{type(error).__name__}: {error}"[:300]
    assert {name: said for name, said in found.items() if said != []} == {}


def test_an_empty_list_of_views_fills_nothing(tmp_path: Path) -> None:
    (mutation,) = (mutation for mutation in ALL if mutation.name == NO_WORK)
    world = World(mutation.definitions(), InMemory, tmp_path / "online.db")
    assert world.materialize().views == {}
    assert os.listdir(tmp_path) == []
