"""Good definitions as plain data, the wrong inputs that one mutation makes of them, and what becomes of each.

A part of ``GOOD`` holds the arguments of one call. A mutation changes one argument, or one item of it. Sources of the
mutated definitions can't be read, since their file does not exist: an error of the engine means that rows were asked
for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import hitherto as ht
import pyarrow as pa
from hitherto.planner.durations import parse_instant
from hitherto.planner.features.definitions import FeatureViewProjection
from hitherto.planner.features.sources import Catalog
from hitherto.planner.ir.data import ParquetFiles
from hitherto.planner.ir.logical import Table
from hitherto.runtime.arrow import planner_schema

from tests.reference import Reference, Relation, Row, agrees, selected
from tests.worlds import plain_rows

MISSING = "/no/such/folder/rows.parquet"


def at(*seconds: int | None, unit: str = "us") -> pa.Array:
    """Instants so many seconds after 2024 began."""
    start = 1_704_067_200
    micros = pa.array([None if each is None else (start + each) * 1_000_000 for each in seconds], pa.timestamp("us"))
    return micros.cast(pa.timestamp(unit))


@dataclass(frozen=True)
class Part:
    """Stands for what another part of the definitions makes."""

    name: str


GOOD: Mapping[str, Mapping[str, Any]] = {
    "entity": {"name": "user", "join_keys": ["user_id"], "description": "who pays"},
    "rows": {
        "user_id": pa.array([1, 1, 1, 2, None], pa.int64()),
        "ts": at(10, 20, 20, 10, 10),
        "made": at(11, 21, 22, 11, 11),
        "seq": pa.array([1, 2, 3, 4, 5], pa.int64()),
        "amt": pa.array([1.5, 2.5, 4.0, None, 9.0], pa.float64()),
        "n": pa.array([3, 4, 5, 6, 7], pa.int64()),
        "status": pa.array(["ok", "ok", "bad", "ok", "ok"], pa.string()),
    },
    "source": {
        "name": "transactions",
        "timestamp_field": "ts",
        "created_timestamp_column": "made",
        "sequence_columns": ["seq"],
        "field_mapping": {"amt": "amount"},
        "data_delay": "1s",
        "unique": False,
    },
    "latest": {
        "name": "profile",
        "entities": [Part("entity")],
        "source": Part("source"),
        "filter": "status = 'ok'",
        "columns": {"twice": "n * 2"},
        "features": ["amount", "twice"],
        "ttl": "1h",
        "allow_exact_matches": True,
        "description": "the latest payment",
        "tags": {"team": "risk"},
    },
    "sum": {
        "column": "amount",
        "function": "sum",
        "time_window": "1m",
        "offset": "2s",
        "slide_interval": "5s",
        "closed": "left",
        "where": "n > 3",
        "name": "total",
    },
    "cross": {
        "columns": ["n"],
        "functions": ["max", "count"],
        "time_windows": ["1h", None],
        "offset": None,
        "slide_interval": None,
        "closed": "left",
        "where": None,
    },
    "windows": {
        "name": "spend",
        "entities": ["user_id"],
        "source": Part("source"),
        "columns": {"half": "amount / 2"},
        "aggregations": [Part("sum"), Part("cross")],
        "post_aggregation": {"ratio": "total / max_n"},
    },
    "projection": {"features": ["amount"], "name": "paid", "join_key_map": {"user_id": "payer_id"}},
    "service": {
        "name": "fraud",
        "features": [Part("latest"), Part("windows"), "paid:amount"],
        "description": "what fraud looks at",
    },
    "spine": {
        "user_id": pa.array([1, 2, 3, None], pa.int64()),
        "payer_id": pa.array([2, 1, None, 1], pa.int64()),
        "event_timestamp": at(15, 30, 30, 30),
        "note": pa.array(["a", "b", "c", "d"]),
    },
    "options": {"disabled_rules": (), "unfused": False, "forms": {}, "statistics": "full"},
    "store": {
        "views": [Part("latest"), Part("windows"), Part("projection")],
        "engine": None,
        "online_store": None,
        "planner_options": Part("options"),
    },
    "request": {
        "entity_df": Part("spine"),
        "features": Part("service"),
        "full_feature_names": True,
        "entity_timestamp": "event_timestamp",
    },
    "explain": {"level": "all", "analyze": False, "format": "text", "verbose": False},
    "materialize": {"end": "2024-01-01T00:00:30", "views": ["profile", "spend"], "allow_rollback": False},
    "online": {
        "features": ["profile", "spend:total"],
        "entity_rows": [{"user_id": 1}, {"user_id": 3}],
        "full_feature_names": True,
        "max_age": None,
    },
}
Definitions = dict[str, dict[str, Any]]
Evaluate = Callable[[Row], Any]


def ratio(first: Any, second: Any) -> float | None:
    """SQL's division: null where there is no value."""
    return None if first is None or not second else first / second


MEANINGS: dict[str, Evaluate] = {
    "status = 'ok'": lambda row: row.get("status", row.get("STATUS")) == "ok",
    "n * 2": lambda row: row["n"] * 2,
    "n > 3": lambda row: row["n"] > 3,
    "amount / 2": lambda row: ratio(row["amount"], 2),
    "total / max_n": lambda row: ratio(row["total"], row["max_n"]),
    "n": lambda row: row["n"],
    "amount": lambda row: row["amount"],
    "status": lambda row: row["status"],
    "ts": lambda row: row["ts"],
    "null": lambda row: None,
    "'yes'": lambda row: "yes",
    "1": lambda row: 1,
}


class Unreadable(ht.Source):
    """A source that knows its columns, and whose rows can't be read."""

    def __init__(self, rows: pa.Table, **fields: Any) -> None:
        super().__init__(rows=rows, **fields)

    def open(self, catalog: Catalog | None = None) -> Table:
        try:
            schema = planner_schema(self.__dict__["rows"].schema)
        except ValueError as error:
            raise ht.SourceError(f"source {self.name!r}: {error}") from None
        return Table(repr(self.identity()), schema, ParquetFiles((MISSING,)), name=self.name)

    def identity(self) -> Any:
        return ("unreadable", id(self.__dict__["rows"]))


class InMemory(Unreadable):
    """The same with rows."""

    def open(self, catalog: Catalog | None = None) -> Table:
        from hitherto.planner.ir.data import ArrowData

        table = super().open(catalog)
        return Table(table.token, table.schema, ArrowData(self.__dict__["rows"]), name=self.name)


@dataclass
class World:
    """Mutated definitions, and what is made of them; each part once."""

    definitions: Definitions
    source: type[Unreadable]
    path: Path
    made: dict[str, Any] = field(default_factory=dict)

    def part(self, name: str) -> Any:
        """What a part makes."""
        if name not in self.made:
            self.made[name] = getattr(self, f"_{name}", self._table)(name)
        return self.made[name]

    def arguments(self, name: str) -> dict[str, Any]:
        """The arguments of a part's call, with other parts in place."""
        return {key: self._filled(value) for key, value in self.definitions[name].items()}

    def _filled(self, value: Any) -> Any:
        if isinstance(value, Part):
            return self.part(value.name)
        if type(value) is list and any(isinstance(item, Part) for item in value):
            filled: list[Any] = []
            for item in value:
                made = self._filled(item)
                filled.extend(made if isinstance(item, Part) and item.name == "cross" else [made])
            return filled
        return value

    def _table(self, name: str) -> pa.Table:
        columns = self.definitions[name]
        names = [key.split("#")[0] for key in columns]
        return pa.Table.from_arrays(list(columns.values()), names=names)

    def _entity(self, name: str) -> ht.Entity:
        return ht.Entity(**self.arguments(name))

    def _source(self, name: str) -> ht.Source:
        return self.source(self.part("rows"), **self.arguments(name))

    def _latest(self, name: str) -> ht.FeatureView:
        return ht.FeatureView(**self.arguments(name))

    _windows = _latest

    def _sum(self, name: str) -> ht.Aggregation:
        return ht.Aggregation(**self.arguments(name))

    def _cross(self, name: str) -> list[ht.Aggregation]:
        return ht.Aggregation.cross(**self.arguments(name))

    def _projection(self, name: str) -> FeatureViewProjection:
        given = self.arguments(name)
        return self.part("latest")[given["features"]].with_name(given["name"]).with_join_key_map(given["join_key_map"])

    def _service(self, name: str) -> ht.FeatureService:
        return ht.FeatureService(**self.arguments(name))

    def _options(self, name: str) -> ht.PlannerOptions:
        return ht.PlannerOptions(**self.arguments(name))

    def _store(self, name: str) -> ht.FeatureStore:
        given = self.arguments(name)
        if given["online_store"] is None:
            given["online_store"] = ht.SqliteOnlineStore(self.path)
        if given["engine"] is None:
            given["engine"] = ht.LocalComputeEngine(threads=1)
        return ht.FeatureStore(given.pop("views"), **given)

    def job(self) -> ht.RetrievalJob:
        """The retrieval, which is planned and not run."""
        job = self.part("store").get_historical_features(**self.arguments("request"))
        assert job.schema.names
        assert str(job.explain(**self.arguments("explain")))
        assert job.to_sql()
        return job  # type: ignore[no-any-return]

    def materialize(self) -> ht.MaterializationJob:
        """Fill the online store."""
        return self.part("store").materialize(**self.arguments("materialize"))  # type: ignore[no-any-return]

    def online(self) -> dict[str, list[Any]]:
        """What is read from the online store."""
        return self.part("store").get_online_features(**self.arguments("online")).to_dict()  # type: ignore[no-any-return]

    def differences(self) -> list[tuple[Any, ...]]:
        """Where the answer is not the reference's: row, column, value, expected value."""
        spine: pa.Table = self.part("spine")
        answer = self.job().to_arrow()
        assert str(answer.select(spine.column_names).to_pydict()) == str(spine.to_pydict())  # NaN is NaN here
        time = self.definitions["request"]["entity_timestamp"] or "event_timestamp"
        expected = self._expected(plain_rows(spine), time, self.part("service").features, self._is_full("request"))
        return _differences(expected, plain_rows(answer))

    def online_differences(self) -> list[tuple[Any, ...]]:
        """The same for what is read online after a materialization."""
        self.materialize()
        answer = self.online()
        given = self.definitions["online"]
        end = parse_instant(self.definitions["materialize"]["end"])
        # All that is stored is older than any max_age: every entity is answered as one that is not known.
        is_old = given["max_age"] is not None
        rows = [{"user_id": None if is_old else row["user_id"], "event_timestamp": end} for row in given["entity_rows"]]
        features = given["features"] if isinstance(given["features"], list) else [given["features"]]
        expected = self._expected(rows, "event_timestamp", features, self._is_full("online"))
        got = [dict(zip(answer, values, strict=True)) for values in zip(*answer.values(), strict=True)]
        return _differences(expected, got)

    def _is_full(self, part: str) -> bool:
        return bool(self.definitions[part]["full_feature_names"])

    def _expected(self, rows: list[dict[str, Any]], time: str, features: Any, full: bool) -> list[dict[str, Any]]:
        table: pa.Table = self.part("rows")
        source = self.part("source")
        up = (source.timestamp_field, source.created_timestamp_column)
        relations = {source: Relation(tuple(table.column_names), plain_rows(table, up=up))}
        views = [self.part("latest"), self.part("windows"), self.part("projection")]
        outputs = selected(views, features, relations, full_feature_names=full)
        return Reference(relations, MEANINGS).answers(outputs, rows, time)


def _differences(expected: list[dict[str, Any]], got: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    pairs = enumerate(zip(expected, got, strict=True))
    return [
        (number, name, row[name], value)
        for number, (wanted, row) in pairs
        for name, value in wanted.items()
        if not agrees(value, row[name])
    ]


def copied() -> Definitions:
    """The good definitions, to be changed."""
    return {part: dict(given) for part, given in GOOD.items()}


@dataclass(frozen=True)
class Mutation:
    """One change of ``GOOD``: where, what with, and what the message of its error must name."""

    name: str
    part: str
    change: Callable[[dict[str, Any]], None]
    about: tuple[str, ...]

    def definitions(self) -> Definitions:
        """The mutated definitions."""
        changed = copied()
        self.change(changed[self.part])
        return changed


def put(part: str, key: str, value: Any, name: str, *about: str) -> Mutation:
    """Another value of an argument."""
    return Mutation(f"{part}.{key}: {name}", part, lambda given: given.update({key: value}), about or (key,))


def without(part: str, key: str, *about: str) -> Mutation:
    """An argument, or a column, that is left out."""
    return Mutation(f"{part}.{key}: left out", part, lambda given: given.pop(key), about or (key,))


def renamed(part: str, key: str, new: str, *about: str) -> Mutation:
    """A column under another name, in its place; ``a#2`` is a second column ``a``."""

    def change(given: dict[str, Any]) -> None:
        items = [(new if name == key else name, value) for name, value in given.items()]
        given.clear()
        given.update(items)

    return Mutation(f"{part}.{key}: called {new!r}", part, change, about or (key,))


WRONG_KINDS: dict[str, Any] = {
    "None": None,
    "an int": 5,
    "bytes": b"ab",
    "a list": [],
    "a dict": {},
    "an object": object(),
    "NaN": math.nan,
    "an empty text": "",
    "half a surrogate pair": "\udc80",
    "a NUL": "a\0b",
    "a million characters": "x" * 10**6,
    "a list of ints": [5],
    "a list of lists": [[]],
    "a class": dict,
    "a true value": True,
    "a date": date(2024, 1, 2),
}
CALLS = tuple(part for part in GOOD if part not in ("rows", "spine"))
# What a message calls an argument or a column that it does not name as the definition does.
NAMED_AS: dict[str, tuple[str, ...]] = {
    "rows.amt": ("amount",),
    "rows.status": ("filter: eq",),
    "request.entity_timestamp": ("timestamp column",),
    "entity.join_keys": ("user_id",),
    "source.field_mapping": ("amount",),
    "sum.column": ("aggregation sum(", "aggregation a"),
    "sum.function": ("no aggregate", "aggregation"),
    "sum.name": ("total",),
    "cross.columns": ("aggregation max(",),
    "cross.functions": ("aggregation ", "max_n"),
    "cross.time_windows": ("time_window:", "max_n"),
    "projection.features": ("'profile': project", "'amount'"),
    "projection.name": ("with_name", "'paid'"),
    "service.features": ("features",),
    "request.entity_df": ("entity rows",),
    "materialize.end": ("materialize: end",),
}


def wrong_kinds() -> Iterator[Mutation]:
    """Every argument of every call as every kind of value."""
    for part in CALLS:
        for key in GOOD[part]:
            for name, value in WRONG_KINDS.items():
                yield put(part, key, value, name, key, *NAMED_AS.get(f"{part}.{key}", ()))


TYPES: dict[str, pa.DataType] = {
    str(type_): type_
    for type_ in (
        pa.null(), pa.bool_(), pa.int8(), pa.int32(), pa.uint64(), pa.float32(), pa.float64(), pa.string(),
        pa.large_string(), pa.binary(), pa.date32(), pa.timestamp("s"), pa.timestamp("ns", "UTC"), pa.time64("us"),
        pa.duration("us"), pa.decimal256(50, 2), pa.list_(pa.int64()),
        pa.struct([("a", pa.int64())]), pa.dictionary(pa.int32(), pa.string()), pa.month_day_nano_interval(),
    )
}  # fmt: skip


def as_type(values: pa.Array, type_: pa.DataType) -> pa.Array:
    """The values as another type, as far as they have a meaning there."""
    try:
        return values.cast(type_)
    except pa.ArrowException:
        pass
    sample: Any = {
        "list": [1], "struct": {"a": 1}, "binary": b"1", "bool": True, "date32": date(2024, 1, 1), "duration": 1,
        "time64": 1, "string": "1", "large_string": "1",
    }.get(str(type_).split("[")[0].split("<")[0])  # fmt: skip
    if pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return pa.array([Decimal(1) if pa.types.is_decimal(type_) else 1] * len(values), type_)
    if pa.types.is_timestamp(type_):
        return at(*[15] * len(values)).cast(type_)
    if pa.types.is_dictionary(type_):
        return pa.array(["1"] * len(values)).dictionary_encode().cast(type_)
    return pa.array([sample] * len(values), type_)


def columns() -> Iterator[Mutation]:
    """Columns of the source and of the entity rows: renamed, left out, repeated, of another type, null, huge."""
    for part in ("rows", "spine"):
        for key, values in GOOD[part].items():
            for new in (key.upper(), f"{key} ", f"{key}s", key.replace("a", "а").replace("s", "ѕ"), ""):
                if new != key:
                    yield renamed(part, key, new, key)
            yield without(part, key)
            yield put(part, f"{key}#2", values, "repeated", key)
            yield put(part, key.upper(), values, "beside its like", key)
            for name, type_ in TYPES.items():
                if type_ != values.type:
                    about = (key, "entity rows", *NAMED_AS.get(f"{part}.{key}", ()))
                    yield put(part, key, as_type(values, type_), name, *about)
    count = len(GOOD["spine"]["user_id"])
    huge = pa.array([2**64 - 1] * count, pa.uint64())
    yield put("spine", "user_id", huge, "beyond 64 signed bits", "user_id")
    yield put("spine", "user_id", pa.array([0.5] * count), "fractions", "user_id")
    yield put("spine", "user_id", pa.array([math.inf] * count), "infinities", "user_id")
    yield put("spine", "payer_id", pa.array([math.nan] * count), "NaN throughout", "payer_id")
    yield put("spine", "event_timestamp", at(15, None, 30, None), "two nulls", "null in 2 of 4 rows, first in row 1")
    yield put("spine", "event_timestamp", pa.array([2**63 - 1] * count, pa.timestamp("us")), "huge", "event_timestamp")
    yield put("spine", "event_timestamp", pa.array([-(2**63)] * count, pa.timestamp("us")), "tiny", "event_timestamp")
    yield put("spine", "profile__amount", huge, "called like a feature", "profile:amount")
    yield put("spine", "Profile__AMOUNT", huge, "called like a feature but for case", "profile:amount")


DURATIONS: dict[str, Any] = {
    text: text
    for text in (
        "-1s", "-0.5s", "1mo", "2y", "1 month", "1q", "7", "7x", "d", "1.5h", "1e3s", "9" * 30 + "d", "9" * 5000 + "s",
        "1D", "P1D", "1d-", "--1d", "+1d", "1d,2h", "one day", "1d2", "∞", "１d", "٣d", "1ｄ", "1d\0", "nan", "0d-1s",
        "0s",
        " ", "1 d", "1d1h",
    )
} | {
    "a negative timedelta": timedelta(microseconds=-1),
    "the longest timedelta": timedelta.max,
    "a zero timedelta": timedelta(0),
    "a fraction": 1.5,
    "an infinity": math.inf,
}  # fmt: skip
DURATION_ARGUMENTS = (
    "source.data_delay", "latest.ttl", "sum.time_window", "sum.offset", "sum.slide_interval", "online.max_age",
)  # fmt: skip


def durations() -> Iterator[Mutation]:
    """Every duration as every text and timedelta that is none, or none there."""
    for argument in DURATION_ARGUMENTS:
        part, key = argument.split(".")
        for name, value in DURATIONS.items():
            yield put(part, key, value, f"{name[:40]!r}", key)


EXPRESSIONS = (
    # Names, types and literals.
    "nn > 1", "n + status > 1", "n = '1'", "n", "status", "amount", "'yes'", "null", "1", "ts", "not n", "n and n > 1",
    "case when n then 1 end", "case when n > 1 then 1 else 'a' end", "coalesce(n, status)", "nullif(n, status)",
    "n between 'a' and 'b'", "n in ('a')", "n like 'a%'", "lower(n)", "abs(status)", "length(n)", "-status",
    "cast(n as blob)", "n::json", "n::decimal(99, 2)", "cast(ts as int)", "ts + interval '1 month'", "ts + 1",
    "interval '1 day'", "interval '1 month'", "ts > '2024-01-01'", "99999999999999999999", "date '2024-13-01'",
    "timestamp 'soon'", "date_trunc('fortnight', ts)", "extract(era from ts)", "transactions.n", "n.m.o.p > 1",
    # What is no expression.
    "", " ", "-- n > 1", "/* n", "n >", "((n)", "n)", "'open", '"open', "n n n", ";", "n > 1;;", "n > 1; drop table x",
    "n > 1; select 1", "drop table x", "select 1", "select n from x", "(select 1)", "exists (select 1)",
    "n in (select 1)", "n = all (select 1)", "n = any (select 1)", "with x as (select 1) select * from x", "from x",
    "values (1)", "insert into x values (1)", "update x set n = 1", "delete from x", "create table x as select 1",
    "attach 'x.db'", "detach x", "copy x to 'x.csv'", "copy x from 'x.csv'", "export database 'x'", "install httpfs",
    "load httpfs", "pragma version", "set threads = 1", "set variable x = 1", "reset threads", "call pragma_version()",
    "explain select 1", "describe x", "show tables", "use x", "begin", "commit", "checkpoint", "vacuum", "execute x",
    # Functions that are unknown, not deterministic, or reach out of the row.
    "lowr(status)", "LOWER (status, status)", "now()", "now() > ts", "current_date", "current_timestamp", "today()",
    "random()", "random() < 0.5", "rand()", "uuid()", "gen_random_uuid()", "nextval('s')", "setseed(0.5)", "version()",
    "current_user", "current_schema()", "current_setting('threads')", "getenv('HOME')", "getvariable('x')",
    "read_csv('x.csv')", "read_parquet('x.parquet')", "read_text('/etc/hostname')", "read_blob('x')", "read_json('x')",
    "glob('*')", "parquet_metadata('x')", "duckdb_settings()", "duckdb_functions()", "sniff_csv('x')", "query('x')",
    "query_table('x')", "sql_auto_complete('x')", "reflect('java.lang.System', 'exit', 1)", "java_method('x', 'y')",
    "input_file_name()", "spark_partition_id()", "monotonically_increasing_id()", "sleep(1)", "pg_sleep(1)",
    "error('x')", "raise_error('x')", "sum(n)", "sum(n) over ()", "count(*)", "row_number() over (order by n)",
    "lag(n) over (order by n)", "sum(n) filter (where n > 1)", "unnest([n])", "explode(n)", "generate_series(1, 2)",
    "range(3)", "*", "n.*", "columns(*)", "columns('n')", "lambda x: x + 1", "list_transform([n], x -> x)",
    "row(n, n)", "{'a': n}", "map {1: n}", "n[1]", "n collate nocase", "?", "$1", ":x", "@x", "#1", "x'00'", "e'x'",
    "n ^@ 1", "n !~~ 1", "n <=> 1", "array(select 1)", "json_extract('{}', '$')", "hash(n)", "typeof(n)",
)  # fmt: skip
EXPRESSION_ARGUMENTS = {
    "latest.filter": ("filter",),
    "sum.where": ("where",),
    "latest.columns": ("columns 'twice'", "columns: 'twice'"),
    "windows.post_aggregation": ("post_aggregation 'ratio'", "post_aggregation: 'ratio'"),
}


def expressions() -> Iterator[Mutation]:
    """Every expression of the definitions as every text that is none, or none there."""
    for argument, about in EXPRESSION_ARGUMENTS.items():
        part, key = argument.split(".")
        name = next(iter(GOOD[part][key])) if isinstance(GOOD[part][key], dict) else None
        for text in (*EXPRESSIONS, "(" * 3000 + "n" + ")" * 3000, "n" + " + n" * 3000, "\udc80", "n = '\udc80'"):
            value = text if name is None else {name: text}
            yield put(part, key, value, text if len(text) < 80 else f"{text[:8]}… of {len(text)}", *about)


WRONG_NAMES = (
    "usr",
    "AMOUNT",
    "аmount",
    "amount ",
    "amount\n",
    '"amount"',
    "a" * 300,
    "🦆",
    "*",
    "ts",
    "user_id",
    "made",
)


def names() -> Iterator[Mutation]:
    """Names of columns, features, views and functions: unknown, near, of another case or alphabet, taken, reserved."""
    for argument in ("source.timestamp_field", "source.created_timestamp_column", "request.entity_timestamp"):
        part, key = argument.split(".")
        for name in (*WRONG_NAMES, "TS", "ts ", "тs", "event_ts", "n", "status", "note", "payer_id", "seq"):
            yield put(part, key, name, repr(name), key, name, "timestamp", repr(name))
    for key, names in {
        "join_keys": (["usr"], ["USER_ID"], ["user_id "], ["uѕer_id"], ["user_id", "user_id"], ["user_id", "USER_ID"],
                      ["ts"], ["amt"], ["status"], ["user_id", "nn"], ["amount"], ["user_id", ""]),
        "name": ("a:b", ":", ":x", "x:"),
    }.items():  # fmt: skip
        for value in names:
            yield put("entity", key, value, repr(value), key, "entity", "key", "'paid'")
    for value in (["sq"], ["SEQ"], ["seq", "seq"], ["seq", "SEQ"], ["seq", ""], [""], ["seq", None], ["amount"]):
        yield put("source", "sequence_columns", value, repr(value), "sequence_columns")
    for mapping in (
        {"amnt": "amount"}, {"AMT": "amount"}, {"amt": "n"}, {"amt": "N"}, {"amt": "ts"}, {"amt": "user_id"},
        {"ts": "amount"}, {"made": "amount"}, {"seq": "amount"}, {"user_id": "amount"}, {"amt": ""}, {"": "amount"},
        {"amt": "amount", "n": "amount"}, {"amt": "amount", "n": "AMOUNT"}, {"amt": "twice"}, {5: "amount"}, {"amt": 5},
    ):  # fmt: skip
        yield put("source", "field_mapping", mapping, repr(mapping), "field_mapping", "'amount'", "'twice'")
    for features in (
        ["amuont"], ["AMOUNT"], ["amount", "amount"], ["amount", "AMOUNT"], ["amt"], ["amount", ""], ["аmount"],
        ["profile:amount"], ["amount", None], [b"amount"], [["amount"]], ["*"], ["amount", "nn", "mm"],
    ):  # fmt: skip
        yield put("latest", "features", features, repr(features), "features")
        yield put("projection", "features", features, repr(features), "feature")
    for name in ("a:b", ":", "profile", "spend", "Spend", "SPEND", "paid", "PAID"):
        for part in ("latest", "windows", "projection"):
            if name != GOOD[part]["name"]:
                yield put(part, "name", name, repr(name), name, repr(name), "name", "'paid'")
    for key_map in (
        {"usr": "payer_id"},
        {"USER_ID": "payer_id"},
        {"user_id": "nobody"},
        {"user_id": "PAYER_ID"},
        {"user_id": "note"},
        {"user_id": "event_timestamp"},
        {"user_id": ""},
        {"user_id": 5},
        {5: "a"},
    ):
        yield put("projection", "join_key_map", key_map, repr(key_map), "key")  # fmt: skip
    for made in (
        {"n": "1"}, {"N": "1"}, {"amount": "1"}, {"ts": "1"}, {"user_id": "1"}, {"a:b": "1"}, {"twice": "twice"},
        {"twice": "n", "TWICE": "n"}, {"twice": "m", "thrice": "k"}, {"twice": None}, {"twice": 5}, {None: "n"},
        {"twice": "thrice", "thrice": "n"}, {"other": "n"},
    ):  # fmt: skip
        yield put("latest", "columns", made, repr(made), "columns", *map(str, made), "'twice'")
    for after in ({"total": "1"}, {"TOTAL": "1"}, {"max_n": "1"}, {"ratio": "totl"}, {"ratio": "n"}, {"a:b": "1"},
                  {"ratio": "ratio"}, {"ratio": "total", "RATIO": "total"}, {"ratio": "amount"}):  # fmt: skip
        yield put("windows", "post_aggregation", after, repr(after), "post_aggregation", "features", "'a:b'")
    for column in ("amuont", "AMOUNT", "amt", "*", "status", "ts", "made", "amount ", "twice", "half", "N", "user_id"):
        yield put("sum", "column", column, repr(column), "sum(")
    for function in ("smu", "SUM", "sum ", "avg", "total", "stddev", "sum(amount)", "*", "count(*)", "drop table x"):
        yield put("sum", "function", function, repr(function), function, "no aggregate", "amount")
    for closed in ("lft", "LEFT", "[)", "open", "left ", "left,right", "closed"):
        yield put("sum", "closed", closed, repr(closed), "closed")
    for name in ("a:b", "max_n", "MAX_N", "ratio", "Ratio", "count_n_1h", "n", "user_id", "row_id", "t"):
        yield put("sum", "name", name, repr(name), name, repr(name), "features", "'total'")


def requests() -> Iterator[Mutation]:
    """Options and requests: unknown names, wrong kinds of items, arguments that do not go together."""
    for features in (
        ["profle"], ["Profile"], ["profile:amuont"], ["profile:AMOUNT"], ["profile:"], [":amount"], [":"], ["amount"],
        ["profile:amount:x"], ["profile.amount"], ["profile amount"], ["profile", "nobody"], ["paid:twice"], [""],
        ["profile", 5], [["profile"]], [None], [{"profile": "amount"}], "profle", "profile:nn", [], (), ["*"],
    ):  # fmt: skip
        for part in ("request", "online"):
            yield put(part, "features", features, repr(features), "feature")
        yield put("service", "features", features, repr(features), "feature")
    for value in ("1", 1, 0, "True", "yes", None, [True], 1.0):
        for argument in ("request.full_feature_names", "online.full_feature_names", "source.unique",
                         "latest.allow_exact_matches", "materialize.allow_rollback", "explain.verbose",
                         "options.unfused"):  # fmt: skip
            yield put(*argument.split("."), value, repr(value), argument.split(".")[1])
    yield put("request", "full_feature_names", False, "False", "full_feature_names=True")
    for end in ("soon", "2024-13-01", "2024-01-32", "01/02/2024", "1704067200", "2024-01-01T25:00", "２０２４-01-01",
                "now",
                "-2024-01-01", "99999-01-01", "2023-12-31", datetime(2024, 1, 1), timedelta(1), 1e9):  # fmt: skip
        yield put("materialize", "end", end, repr(end), "materialize: end", "stored as of")
    for views in ("spend", ["spned"], ["Spend"], ["spend", 5], ["spend:total"], [""], [None], {"spend": 1}, ["nobody"]):
        yield put("materialize", "views", views, repr(views), "materialize: ")
    for rows in (
        [{}], [{"user": 1}], [{"USER_ID": 1}], [{"user_id": 1}, {}], [{"user_id": "1"}], [{"user_id": 1.5}],
        [{"user_id": True}], [{"user_id": b"1"}], [{"user_id": [1]}], [{"user_id": {}}], [{"user_id": "\udc80"}],
        [{"user_id": math.nan}], [{"user_id": datetime(2024, 1, 1)}], [{"user_id": object()}], [{"user_id": 1j}],
        [None], [[]], ["user_id"], [("user_id", 1)], {"user_id": 1}, {"user_id": [1]}, "user_id", [{"user_id": 10**30}],
        [{"user_id": None}], [{"user_id": 1, "more": 2}],
    ):  # fmt: skip
        yield put("online", "entity_rows", rows, repr(rows)[:60].split(" at 0x")[0], "entity_rows", "entity rows")
    for name in ("ful", "FULL", "on", "none", "metadata"):
        yield put("options", "statistics", name, repr(name), "statistics")
    for forms in ({"spned": "NarrowAsof"}, {"spend": "narrow_asof"}, {"spend": ""}, {5: "NarrowAsof"}, "NarrowAsof"):
        yield put("options", "forms", forms, repr(forms), "forms")
    for rules in (("merge_filter",), ("merge_filters", 5), ("",), ("MERGE_FILTERS",), "merge_filters", ("choose",)):
        yield put("options", "disabled_rules", rules, repr(rules), "disabled_rules")
    for key, names in {"level": ("al", "ALL", "plan", "logic"), "format": ("txt", "TEXT", "html2", "yaml")}.items():
        for name in names:
            yield put("explain", key, name, repr(name), key)
    for key, value in {"ttl": "1d", "features": ["half"], "allow_exact_matches": False}.items():
        yield put("windows", key, value, "with aggregations", f"{key} does not apply to aggregations")
    yield put("latest", "post_aggregation", {"a": "amount"}, "without aggregations", "needs aggregations")
    yield put("latest", "source", "transactions.parquet", "a path", "source is a str")
    yield put("latest", "entities", Part("entity"), "a single one", "entities is a single Entity")
    yield put("latest", "entities", [Part("entity"), Part("entity")], "twice", "'user_id' is there twice")
    yield put("latest", "entities", ["user_id", "USER_ID"], "twice but for case", "'user_id' and 'USER_ID'")
    yield put("latest", "entities", ["nobody"], "of another column", "'nobody'", "'user_id'")
    yield put("windows", "aggregations", [Part("sum"), Part("sum")], "twice", "'total' is there twice")
    yield put("windows", "aggregations", Part("sum"), "a single one", "aggregations is a single Aggregation")
    yield put("windows", "aggregations", [Part("sum"), "total"], "with a text", "aggregations holds 'total'")
    yield put("store", "views", Part("latest"), "a single one", "views is a FeatureView")
    yield put("store", "views", [Part("latest"), "spend"], "with a text", "views holds 'spend'")
    yield put("store", "views", [Part("latest"), Part("service")], "with a service", "views holds a FeatureService")
    yield put("store", "views", [], "none", "no feature view 'paid'")
    yield put("request", "entity_df", "/no/such/spine.parquet", "a missing file", "/no/such/spine.parquet")
    yield put("request", "entity_df", Path("/no/such/spine.parquet"), "a missing path", "/no/such/spine.parquet")
    yield put("request", "features", Part("spine"), "a table", "features")
    yield put("sum", "p", 0.5, "given", "'p'")


def mutations() -> list[Mutation]:
    """All of them, each under a name of its own."""
    every = [*wrong_kinds(), *columns(), *durations(), *expressions(), *names(), *requests()]
    by_name: dict[str, Mutation] = {}
    for mutation in every:
        by_name.setdefault(mutation.name, mutation)
    return list(by_name.values())
