"""Hundreds of hostile strings as values and as names, and hostile names in every role, on every engine."""

from __future__ import annotations

import random
import unicodedata
from pathlib import Path
from typing import Any

import hitherto as ht
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hitherto.planner.types import folded
from hitherto.runtime.engine import SqlComputeEngine

from tests.dialects.engines import retrieved
from tests.dialects.test_identifiers import quoted

TIMES = pa.array([1, 2], pa.timestamp("us"))
SEEDS = [
    "select", "SELECT", "from", "null", "NULL", "true", "rowid", "row_id", "t", "ts", "spine", "count",
    "default", 'a"b', '"', '""', '"a"', "a`b", "`", "``", "a b", "a.b", ".", "it's", "'", "''", "'a'", "a\\",
    "\\", "\\\\", "\\'", "\\n", "\\u0041", "\\x41", "\\0", "\\N", "${env:PATH}", "${system:user.home}", "${",
    "$", "$$", "$1", "$a$", "{{x}}", "{%x%}", "{}", "{0}", "%s", "%d", "%", "%%", "%(x)s", "_", "?", ":x", "@x",
    "@@x", "#", "#1", "&", "&amp;", "<a>", "--", "-- x", ";--", "/*", "*/", "/* */", "//", "#x", ";",
    "; drop table x; --", "' or '1'='1", "\" or 1=1 --", "); drop table x; --", "1; select 1", "union select 1",
    "1=1", "x'00'", "e'x'", "r'x'", "b'x'", "N'x'", "U&'x'", " ", "  ", " a", "a ", "\t", "\n", "a\nb", "\r\n",
    "\r", "\v", "\f", "\u00a0", "\u2003", "\u3000", "\u2028", "\u0085", "\u200b", "\u200d", "\ufeff", "\u00ad",
    "\x01", "\x1b[31m", "\x1f", "\x7f", "\x80", "ü", "Ü", "e\u0301", "é", "ﬁ", "ß", "ẞ", "ς", "σ", "ı", "İ",
    "ſ", "\u212b", "Å", "Ａ", "①", "日本", "한글", "ไทย", "العربية", "עברית", "a\u202eb", "\u2066a\u2069",
    "abc עברית def", "🦆", "👩\u200d👩\u200d👧", "🇩🇪", "\U0001d54f", "\U0010ffff", "\uffff", "\ue000", "a" * 200,
    "ü" * 200, "🦆" * 100, "a b" * 300, "0", "1", "-1", "1e5", "0x10", "NaN", "inf", "2024-01-01", "[1]",
    "{'a': 1}", "(", ")", "[", "]", "<", ">", "=", "*", "+", "|", "||", "~", "^", "!", ",", "a,b", "=cmd()",
    "+1", "../x", "C:\\x", "file:///x", "a:b", "../../etc/passwd", "con", "nul", "__proto__", "self", "this",
]  # fmt: skip


def corpus(count: int) -> list[str]:
    """Distinct strings: the seeds, then two put together, doubled, or in another normal form; always the same ones."""
    drawn = random.Random(20240101)
    found = dict.fromkeys(SEEDS)
    while len(found) < count:
        first, second = drawn.choice(SEEDS), drawn.choice(SEEDS)
        form = drawn.choice((
            first + second, second + " " + first, first * 2, f"'{first}'", f'"{first}"', f"{first}\n{second}",
            f"{first}'; {second}", unicodedata.normalize("NFD", second + first), unicodedata.normalize("NFKC", first),
            first.swapcase(), f"${{{first}}}", f"/*{first}*/", f"\\{first}", f"{first}\\",
        ))  # fmt: skip
        found.setdefault(form)
    return list(found)


TEXTS = [*corpus(410), "", "\0", "a\0b", "\0a", "a\0"]
NAMES = list({folded(text): text for text in corpus(450) if text}.values())[:400]


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def plain(name: str) -> str:
    """A name that may be that of a view and of what it makes."""
    return name.replace(":", "¦")


def test_there_are_hundreds_of_each() -> None:
    assert len(set(TEXTS)) >= 400
    assert len(set(NAMES)) >= 400


def test_half_of_a_surrogate_pair_is_no_text() -> None:
    rows = ht.ArrowSource(pa.table({"k": ["a"], "ts": TIMES[:1], "v": ["a"]}), timestamp_field="ts")
    with pytest.raises(ht.DefinitionError, match="half of a surrogate pair"):
        ht.FeatureView("v", entities=["k"], source=rows, filter="v = '\udc80'")
    with pytest.raises(ht.DefinitionError, match="half of a surrogate pair"):
        ht.FeatureView("v\udc80", entities=["k"], source=rows)
    with pytest.raises(ht.DefinitionError, match="half of a surrogate pair"):
        ht.Entity("k", join_keys=["k\udc80"])


def hostile_values() -> list[ht.FeatureView]:
    """Views over a row for each text, which is its key and its value: kept, filtered by and compared with itself."""
    rows = pa.table(
        {"k": TEXTS, "ts": pa.array([1] * len(TEXTS), pa.timestamp("us")), "v": TEXTS, "n": range(len(TEXTS))}
    )
    source = ht.ArrowSource(rows, timestamp_field="ts")
    even, odd = (", ".join(map(literal, TEXTS[start::2])) for start in (0, 1))
    numbers = " ".join(f"when {literal(text)} then {number}" for number, text in enumerate(TEXTS))
    return [
        ht.FeatureView(
            "latest", entities=["k"], source=source, features=["v", "number"],
            columns={"number": f"case v {numbers} end"},
        ),
        ht.FeatureView(
            "even", entities=["k"], source=source, filter=f"v in ({even})",
            aggregations=[ht.Aggregation("v", "max", name="top"), ht.Aggregation("*", "count", name="all")],
        ),
        ht.FeatureView(
            "odd", entities=["k"], source=source,
            aggregations=[ht.Aggregation("v", "min", where=f"v in ({odd})", name="least")],
        ),
    ]  # fmt: skip


@pytest.mark.deep("spark")
def test_hostile_values_are_keys_values_and_literals(engine: SqlComputeEngine) -> None:
    keys = [*TEXTS, None, "absent"]
    spine = pa.table({"k": keys, "event_timestamp": pa.array([9] * len(keys), pa.timestamp("us"))})
    answer = retrieved(engine, hostile_values(), spine).to_pydict()
    count = len(TEXTS)
    assert answer["v"] == [*TEXTS, None, None]
    assert answer["number"] == [*range(count), None, None]
    assert answer["top"] == [text if number % 2 == 0 else None for number, text in enumerate(TEXTS)] + [None, None]
    assert answer["all"] == [1 - number % 2 for number in range(count)] + [0, 0]
    assert answer["least"] == [text if number % 2 else None for number, text in enumerate(TEXTS)] + [None, None]


def test_hostile_values_come_back_from_the_online_store(tmp_path: Path) -> None:
    views = hostile_values()
    store = ht.FeatureStore(views, online_store=ht.SqliteOnlineStore(tmp_path / "online.db"))
    store.materialize("2024-01-01")
    answer = store.get_online_features(views, [{"k": text} for text in [*TEXTS, "absent"]]).to_dict()
    assert answer["k"] == [*TEXTS, "absent"]
    assert answer["v"] == [*TEXTS, None]
    assert answer["number"] == [*range(len(TEXTS)), None]
    assert answer["top"] == [text if number % 2 == 0 else None for number, text in enumerate(TEXTS)] + [None]


def hostile_names() -> ht.FeatureView:
    """A view whose features, each a column of the source, are called by the names."""
    columns: dict[str, Any] = {name: [number, -number] for number, name in enumerate(NAMES)}
    rows = pa.table({"the key": ["u", "u"], "the time": TIMES, **columns})
    source = ht.ArrowSource(rows, timestamp_field="the time")
    return ht.FeatureView("names", entities=["the key"], source=source, features=NAMES)


@pytest.mark.deep("spark")
def test_hostile_names_are_names_of_columns_and_features(engine: SqlComputeEngine) -> None:
    spine = pa.table({"the key": ["u", "z"], "event_timestamp": pa.array([9, 9], pa.timestamp("us"))})
    answer = retrieved(engine, [hostile_names()], spine)
    assert answer.column_names == NAMES
    assert answer.to_pylist() == [{name: -number for number, name in enumerate(NAMES)}, dict.fromkeys(NAMES)]


def test_hostile_names_are_names_in_expressions_and_of_aggregations() -> None:
    base = hostile_names()
    view = ht.FeatureView(
        "names", entities=["the key"], source=base.source,
        filter=" and ".join(f"{quoted(name)} < 1000" for name in NAMES[:100]),
        columns={f"{plain(name)} twice": f"{quoted(name)} * 2" for name in NAMES},
        aggregations=[ht.Aggregation(f"{plain(name)} twice", "min", name=plain(name)) for name in NAMES],
    )  # fmt: skip
    spine = pa.table({"the key": ["u"], "event_timestamp": pa.array([9], pa.timestamp("us"))})
    answer = retrieved(ht.LocalComputeEngine(threads=1), [view], spine)
    assert answer.to_pylist() == [{plain(name): -2 * number for number, name in enumerate(NAMES)}]


def test_hostile_names_come_back_from_the_online_store(tmp_path: Path) -> None:
    view = hostile_names()
    store = ht.FeatureStore([view], online_store=ht.SqliteOnlineStore(tmp_path / "online.db"))
    store.materialize("2024-01-01")
    answer = store.get_online_features(view, [{"the key": "u"}]).to_dict()
    assert answer == {"the key": ["u"], **{name: [-number] for number, name in enumerate(NAMES)}}


ROLES = [
    "select", 'a"b', "a b", "ü", ";--", "x" * 200, "🦆", "`a`", "${env:PATH}", "new\nline", "a\\", " lead", "trail ",
    "abc עברית \u202edef", "it's", "/*",
]  # fmt: skip


def with_role(name: str, role: str) -> str:
    """A name of its own for each role, which begins and ends as the hostile one."""
    return f"{name}{role}{name}"


def role_view(name: str, number: int) -> ht.FeatureView:
    """A view of which every name is hostile; two rows tie but for the created time, then but for the sequence."""
    key, time, made, order, value, mapped, extra = (
        with_role(name, role) for role in ("k", "time", "made", "seq", "v", "m", "x")
    )
    rows = pa.table(
        {
            key: ["u", "u", "u"],
            time: pa.array([1, 1, 1], pa.timestamp("us")),
            made: pa.array([3, 5, 5], pa.timestamp("us")),
            order: [9, 1, 2],
            value: [0, 1, number],
        }
    )
    source = ht.ArrowSource(
        rows,
        timestamp_field=time,
        created_timestamp_column=made,
        sequence_columns=[order],
        field_mapping={value: mapped},
    )
    entity = ht.Entity(plain(name), join_keys=[key])
    made_columns = {plain(extra): f"{quoted(mapped)} + 1"}
    return ht.FeatureView(plain(name), entities=[entity], source=source, columns=made_columns)


@pytest.mark.deep("spark")
def test_every_role_may_have_a_hostile_name(engine: SqlComputeEngine) -> None:
    views = [role_view(name, number) for number, name in enumerate(ROLES)]
    service = ht.FeatureService("; drop 'service' \"🦆\"", views)
    keys = {with_role(name, "k"): ["u", None] for name in ROLES}
    time = 'the `time` "of" ${env:PATH}'
    spine = pa.table({**keys, time: pa.array([9, 9], pa.timestamp("us"))})
    store = ht.FeatureStore(views, engine=engine)
    job = store.get_historical_features(spine, service, full_feature_names=True, entity_timestamp=time)
    first, second = job.to_arrow().drop_columns(spine.column_names).to_pylist()
    assert first == {
        f"{plain(name)}__{feature}": number + more
        for number, name in enumerate(ROLES)
        for feature, more in ((with_role(name, "m"), 0), (plain(with_role(name, "x")), 1))
    }
    assert set(second.values()) == {None}


def test_files_and_stores_may_have_hostile_names(tmp_path: Path) -> None:
    for number, name in enumerate(ROLES):
        view = role_view(name, number)
        store = ht.FeatureStore([view], online_store=ht.SqliteOnlineStore(tmp_path / f"{name.replace('/', '_')}.db"))
        key = with_role(name, "k")
        spine = pa.table({key: ["u"], "event_timestamp": pa.array([9], pa.timestamp("us"))})
        written = store.get_historical_features(spine, [view]).to_parquet(
            tmp_path / f"{name.replace('/', '_')}.parquet"
        )
        assert pq.read_table(written)[with_role(name, "m")].to_pylist() == [number]
        store.materialize("2024-01-01", views=[plain(name)])
        answer = store.get_online_features(f"{plain(name)}:{with_role(name, 'm')}", [{key: "u"}]).to_dict()
        assert answer == {key: ["u"], with_role(name, "m"): [number]}
    assert len(list(tmp_path.iterdir())) == 2 * len(ROLES)


@pytest.mark.deep
def test_spark_writes_to_folders_of_hostile_names(spark: Any, tmp_path: Path) -> None:
    view = role_view(ROLES[0], 7)
    spine = pa.table({with_role(ROLES[0], "k"): ["u"], "event_timestamp": pa.array([9], pa.timestamp("us"))})
    job = ht.FeatureStore([view], engine=ht.SparkComputeEngine(spark)).get_historical_features(spine, [view])
    for name in ("a b %41 ${env:PATH}", "ü'🦆 \"#?"):
        written = job.to_parquet(tmp_path / name)
        assert pq.read_table(written)[with_role(ROLES[0], "m")].to_pylist() == [7]
    assert len(list(tmp_path.iterdir())) == 2
