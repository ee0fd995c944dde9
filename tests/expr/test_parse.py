"""Parsing: what is refused, and that the error names it, says where, and offers what is near."""

from __future__ import annotations

import pytest
from hitherto.planner.errors import DefinitionError, PlanTypeError, UnknownColumnError, UnsupportedError
from hitherto.planner.expr.nodes import Call, Cast, Column, Literal
from hitherto.planner.expr.parse import parse_condition, parse_expression
from hitherto.planner.types import BOOL, DATE, FLOAT64, INT64, STRING, TIMESTAMP, DataType, Field, Schema

SCHEMA = Schema(
    [
        Field("amount", FLOAT64),
        Field("count", INT64),
        Field("status", STRING),
        Field("seen_at", TIMESTAMP),
        Field("born", DATE),
        Field("flag", BOOL),
        Field("tags", DataType("list", element=STRING)),
        Field("price", DataType("decimal", precision=10, scale=2)),
        Field("raw", DataType("binary")),
    ]
)


def refusal(text: str, error: type[DefinitionError] = DefinitionError) -> str:
    """The message with which a text is refused, by an error of exactly this class."""
    with pytest.raises(DefinitionError) as caught:
        parse_expression(text, SCHEMA, "feature view 'spend', filter")
    assert type(caught.value) is error, f"{type(caught.value).__name__}: {caught.value}"
    assert all(problem.startswith("feature view 'spend', filter: ") for problem in caught.value.problems)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("(select 1)", "subqueries are not allowed"),
        ("amount > (select max(amount) from t)", "subqueries are not allowed"),
        ("exists (select 1)", "subqueries are not allowed"),
        ("count in (select 1)", "query"),
        ("select 1", "subqueries are not allowed"),
        ("count(*)", "no function 'count'"),
        ("sum(amount)", "no function 'sum'"),
        ("sum(amount) over ()", "window is not allowed"),
        ("row_number() over (order by amount)", "window is not allowed"),
        ("*", "star is not allowed"),
        ("t.amount > 1", "t.amount: table is not supported"),
        ("status like 'a$%' escape '$'", "escape is not allowed"),
        ("status similar to 'a'", "similarto is not allowed"),
        ("cast(count as hugeint)", "no cast to INT128"),
        ("cast(count as decimal(39, 2))", "no cast to DECIMAL(39, 2)"),
        ("cast(count as decimal(4, 5))", "no cast to DECIMAL(4, 5)"),
        ("cast(status as interval)", "no cast to INTERVAL"),
        ("read_csv('/etc/passwd')", "no function 'read_csv'"),
        ("read_text('/etc/passwd') = 'x'", "no function 'read_text'"),
        ("getenv('HOME')", "no function 'getenv'"),
        ("now()", "no function"),
        ("current_timestamp", "no function 'current_timestamp'"),
        ("current_date", "no function 'current_date'"),
        ("today()", "no function"),
        ("random() < 0.5", "no function"),
        ("uuid()", "no function"),
        ("nextval('s')", "no function 'nextval'"),
        ("error('x')", "no function 'error'"),
        ("interval '1 day'", "interval is not allowed"),
        ("[1, 2]", "array"),
        ("{'a': 1}", "struct"),
        ("status[1:2]", "bracket is not allowed"),
        ("$1", "placeholder is not allowed"),
        ("?", "placeholder is not allowed"),
        ("seen_at at time zone 'UTC'", "attimezone is not allowed"),
        ("count & 1", "bitwiseand is not allowed"),
        ("log(amount)", "no function 'log'"),
        ("status ~ 'a.'", "~ is not allowed in an expression; write regexp_matches"),
        ("count <=> 1", "<=> is not allowed in an expression; write is not distinct from"),
        ("regexp_matches(status, 'a', 'i')", "flag is not supported"),
        ("trim(status, 'x')", "expression is not supported"),
        ("trim(both 'x' from status)", "expression is not supported"),
        ("round(amount, 1, 2)", "truncate is not supported"),
        ("dayofweek(seen_at)", "no function 'dayofweek'"),
        ("floor(amount, 2)", "decimals is not supported"),
    ],
)  # fmt: skip
def test_what_is_not_in_the_allow_list_is_refused_by_name(text: str, named: str) -> None:
    assert named.lower() in refusal(text, UnsupportedError).lower()


STATEMENTS = [
    "amount > 1; drop table x", "1; 2", "attach 'x'", "copy t to 'x'", "install httpfs", "set x = 1",
    "pragma version", "drop table x", "insert into t values (1)",
]  # fmt: skip


@pytest.mark.parametrize("text", STATEMENTS)
def test_statements_are_refused(text: str) -> None:
    with pytest.raises(DefinitionError):
        parse_expression(text, SCHEMA, "filter")


def test_several_statements_are_said_to_be_several() -> None:
    assert "several statements" in refusal("amount > 1; drop table x")


@pytest.mark.parametrize(
    "text", ["", "   ", "-- nothing", "amount >", "(amount", "amount amount 1", "1 +", "'open", "lambda x: x"]
)
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(DefinitionError, match=r"^filter: .*is not an SQL expression"):
        parse_expression(text, SCHEMA, "filter")


def test_an_error_shows_no_terminal_colours_or_positions_on_many_lines() -> None:
    message = refusal("amount > ) 1")
    assert "\x1b" not in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "text", ["(" * 5000 + "1" + ")" * 5000, "not " * 5000 + "true", "1" + " + 1" * 20_000, "- " * 5000 + "1"]
)
def test_deep_nesting_is_refused(text: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse_expression(text, SCHEMA, "filter")
    assert len(str(caught.value)) < 1000


def test_many_conditions_side_by_side_are_not_deep() -> None:
    text = " or ".join(f"count = {number}" for number in range(200))
    assert parse_condition(text, SCHEMA, "filter").type == BOOL


def test_an_unknown_column_offers_the_nearest_and_lists_all() -> None:
    assert refusal("amuont > 1", UnknownColumnError) == (
        "feature view 'spend', filter: no column 'amuont'\n"
        "  amuont > 1\n"
        "  ^^^^^^\n"
        "  columns: amount, count, status, seen_at, born, flag, tags, price, raw\n"
        "  did you mean 'amount'?"
    )


def test_an_unknown_function_offers_the_nearest() -> None:
    assert "did you mean 'lower'?" in refusal("lowr(status)", UnsupportedError)


def test_a_function_of_the_planner_alone_is_unknown() -> None:
    assert "no function 'micros_up'" in refusal("micros_up(seen_at)", UnsupportedError)
    assert "no function 'floor_to'" in refusal("floor_to(count, 60)", UnsupportedError)


@pytest.mark.parametrize(
    "text", ["seen_at + interval '1 month'", "seen_at - interval 2 years", "born + interval 1 quarter"]
)
def test_an_interval_without_a_fixed_length_is_refused(text: str) -> None:
    assert "months and years have no fixed length" in refusal(text)


NO_WHOLE_INTERVALS = [
    "seen_at + interval '1.5 hours'", "seen_at + interval (count) day", "seen_at + interval '1 day 2 hours'",
    "seen_at + interval 'x' day",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_WHOLE_INTERVALS)
def test_an_interval_that_is_no_whole_number_of_a_unit_is_refused(text: str) -> None:
    with pytest.raises(DefinitionError, match="interval"):
        parse_expression(text, SCHEMA, "filter")


def test_an_interval_on_the_left_of_a_minus_is_refused() -> None:
    assert "an interval stands on the right" in refusal("interval '1 day' - seen_at", PlanTypeError)


@pytest.mark.parametrize("text", ["9223372036854775808", "-9223372036854775809", "count > 99999999999999999999"])
def test_an_integer_beyond_64_bits_is_refused(text: str) -> None:
    assert "does not fit 64 bits" in refusal(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("status = 1", "string and int64 have no common type"),
        ("count = '1'", "int64 and string have no common type"),
        ("flag = 1", "bool and int64 have no common type"),
        ("status in ('a', 1)", "string and int64 have no common type"),
        ("coalesce(status, 0)", "string and int64 have no common type"),
        ("nullif(count, 'x')", "int64 and string have no common type"),
        ("case when flag then 1 else 'a' end", "int64 and string have no common type"),
        ("seen_at > 5", "timestamp[us] and int64 have no common type"),
        ("seen_at > '2024-01-01'", "timestamp[us] and string have no common type"),
        ("status + 1", "takes numbers, not string"),
        ("flag + flag", "takes numbers, not bool"),
        ("born - 1", "takes numbers, not date"),
        ("seen_at - seen_at", "takes numbers, not timestamp"),
        ("-status", "takes numbers, not string"),
        ("amount // 2", "takes integers, not float64"),
        ("amount % 2", "takes integers, not float64"),
        ("count and flag", "takes conditions, not int64"),
        ("not count", "takes conditions, not int64"),
        ("case when count then 1 end", "takes conditions, not int64"),
        ("lower(count)", "takes strings, not int64"),
        ("count like '1%'", "takes strings, not int64"),
        ("length(count)", "takes strings, not int64"),
        ("status || count", "takes strings, not int64"),
        ("substr(status)", "substr: its start is missing"),
        ("substr(status, 0)", "argument 2 has to be a whole number from 1 on, written there"),
        ("substr(status, count)", "argument 2 has to be a whole number from 1 on, written there"),
        ("left(status, -1)", "argument 2 has to be a whole number from 0 on, written there"),
        ("split_part(status, ',', 0)", "argument 3 has to be a whole number from 1 on, written there"),
        ("split_part(status, '', 1)", "the separator, has to be a text that is not empty"),
        ("split_part(status, ',')", "split_part: its part_index is missing"),
        ("replace(status, 'a')", "replace: its replacement is missing"),
        ("round(amount, -1)", "argument 2 has to be a whole number from 0 on, written there"),
        ("round(amount, 16)", "no more than 15 digits"),
        ("regexp_matches(status, status)", "the pattern has to be a text that is written there"),
        ("regexp_matches(status, '(?i)a')", "has, from '(?i)a' on, what engines read differently"),
        ("regexp_matches(status, '(a)\\1')", "has '\\\\1', which engines read differently"),
        ("regexp_matches(status, '*a')", "has a '*' with nothing to repeat"),
        ("regexp_matches(status, '(a')", "has a '(' without its ')'"),
        ("regexp_matches(status, 'a)')", "has a ')' without its '('"),
        ("regexp_matches(status, 'a{2,1}')", "has the bounds {2,1}"),
        ("regexp_matches(status, '[b-a]')", "has the range b-a, whose ends are the wrong way round"),
        ("regexp_matches(status, '[a&&b]')", "has the class '[a&&b]', which engines read differently"),
        ("regexp_extract(status, '(a)', 2)", "the pattern has no group 2; it has 1"),
        ("regexp_extract(status, '(a)+', 1)", "repeats a group that is taken out"),
        ("regexp_matches(status, '(?:a??)+b')", "repeats a group that may be empty"),
        ("regexp_matches(status, '(?:a|b*|c)*')", "repeats a group that may be empty"),
        ("list_contains(status, 'a')", "takes a list, not string"),
        ("list_contains(tags, 1)", "have no common type"),
        ("status[1]", "takes a list, not string"),
        ("tags[0]", "an element is taken by a whole number from 1 on, written there, as in tags[1]"),
        ("date_diff('day', seen_at, count)", "takes a timestamp or a date, not int64"),
        ("isnan(status)", "takes numbers, not string"),
        ("greatest(tags, tags)", "does not compare list"),
        ("epoch(status)", "takes a timestamp or a date, not string"),
        ("tags = tags", "does not compare list"),
        ("extract(year from count)", "takes a timestamp or a date, not int64"),
        ("date_trunc('day', status)", "takes a timestamp or a date, not string"),
        ("count + interval '1 day'", "takes a timestamp or a date, not int64"),
        ("cast(amount as decimal(10, 2))", "float64 does not become decimal(10, 2)"),
        ("cast(flag as decimal(10, 2))", "bool does not become decimal(10, 2)"),
        (
            "cast(count as decimal(30, 20)) * cast(count as decimal(30, 19))",
            "need more than 38 digits; cast one of them",
        ),
        ("cast(count as decimal(38, 0)) + price", "need more than 38 digits; cast one of them"),
        ("cast(amount as varchar)", "float64 does not become string"),
        ("cast(status as real)", "string does not become float32"),
        ("cast(seen_at as bigint)", "timestamp[us] does not become int64"),
        ("cast(flag as date)", "bool does not become date"),
        ("cast(tags as varchar)", "does not become string"),
        ("count is true", "int64"),
    ],
)
def test_types_that_do_not_go_together_are_refused(text: str, named: str) -> None:
    assert named in refusal(text, PlanTypeError)


@pytest.mark.parametrize("text", ["amount", "count + 1", "status", "lower(status)", "seen_at"])
def test_a_filter_that_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(PlanTypeError, match="not a condition"):
        parse_condition(text, SCHEMA, "filter")


@pytest.mark.parametrize("text", ["date '2024-13-01'", "timestamp 'yesterday'", "date '01.01.2024'", "timestamp ''"])
def test_a_literal_that_is_no_instant_is_refused(text: str) -> None:
    assert "write it in ISO form" in refusal(text)


@pytest.mark.parametrize(
    "text", ["extract(epoch from seen_at)", "extract(dow from seen_at)", "date_trunc('decade', seen_at)"]
)
def test_a_unit_without_one_meaning_is_refused(text: str) -> None:
    assert "no unit" in refusal(text)


def test_a_unit_that_is_near_is_offered() -> None:
    assert "did you mean 'hour'?" in refusal("date_trunc('hours', seen_at)")


def test_several_problems_of_one_expression_come_together() -> None:
    with pytest.raises(DefinitionError) as caught:
        parse_expression("amuont > 1 and lowr(status) = 'a' and flag = 1", SCHEMA, "filter")
    assert len(caught.value.problems) == 3
    assert str(caught.value).startswith("3 problems\n1. filter: no column 'amuont'")


def test_problems_of_one_class_keep_it() -> None:
    with pytest.raises(UnknownColumnError) as caught:
        parse_expression("amuont > 1 and statsu = 'a'", SCHEMA, "filter")
    assert len(caught.value.problems) == 2


def test_the_same_problem_twice_is_told_once() -> None:
    with pytest.raises(UnknownColumnError) as caught:
        parse_expression("amuont > 1 and amuont < 9", SCHEMA, "filter")
    assert len(caught.value.problems) == 1


def test_a_column_is_found_ignoring_case_and_named_as_it_is_there() -> None:
    assert parse_expression("AMOUNT", SCHEMA, "filter") == Column("amount", FLOAT64)
    assert parse_expression('"Amount"', SCHEMA, "filter") == Column("amount", FLOAT64)


@pytest.mark.parametrize(
    ("text", "expr"),
    [
        ("1", Literal(1, INT64)),
        ("-1", Literal(-1, INT64)),
        ("1.0", Literal(1.0, FLOAT64)),
        ("1e3", Literal(1000.0, FLOAT64)),
        ("'a'", Literal("a", STRING)),
        ("true", Literal(True, BOOL)),
        ("null", Literal(None, DataType("null"))),
        ("date '1970-01-02'", Literal(1, DATE)),
        ("timestamp '1969-12-31 23:59:59.999999'", Literal(-1, TIMESTAMP)),
        ("timestamp '1970-01-01 02:00:00+02:00'", Literal(0, TIMESTAMP)),
        ("cast(null as bigint)", Literal(None, INT64)),
        ("count::bigint", Column("count", INT64)),
        ("((count))", Column("count", INT64)),
        ("cast(count as double)", Cast(Column("count", INT64), FLOAT64)),
        ("amount > 1", Call("gt", (Column("amount", FLOAT64), Literal(1.0, FLOAT64)), BOOL)),
    ],
)
def test_an_expression_is_typed(text: str, expr: object) -> None:
    assert parse_expression(text, SCHEMA, "filter") == expr


def test_a_conjunction_is_one_call_of_all_its_conditions() -> None:
    expr = parse_expression("flag and count = 1 and amount > 1", SCHEMA, "filter")
    assert isinstance(expr, Call)
    assert len(expr.args) == 3


def test_a_null_is_a_condition() -> None:
    assert parse_condition("null", SCHEMA, "filter").type.kind == "null"


def test_a_bool_column_is_a_condition() -> None:
    assert parse_condition("flag", SCHEMA, "filter") == Column("flag", BOOL)


def test_a_comment_is_no_part_of_an_expression() -> None:
    assert parse_expression("count /* of rows */ -- here", SCHEMA, "filter") == Column("count", INT64)


@pytest.mark.parametrize(
    ("text", "error", "lines"),
    [
        ("amount > 2 and status > 1", PlanTypeError, [
            "status > 1: string and int64 have no common type; cast one of them",
            "  amount > 2 and status > 1",
            "                 ^^^^^^^^^^",
            "  status is string",
        ]),
        ("count + 1 = amuont", UnknownColumnError, [
            "no column 'amuont'", "  count + 1 = amuont", "              ^^^^^^",
        ]),
        ("flag\n and lower(count) = 'a'", PlanTypeError, [
            "lower(count): takes strings, not int64",
            "   and lower(count) = 'a'",
            "       ^^^^^^^^^^^^",
            "  count is int64",
        ]),
    ],
)  # fmt: skip
def test_an_error_quotes_the_text_with_a_caret_under_the_place(
    text: str, error: type[DefinitionError], lines: list[str]
) -> None:
    first, *others = refusal(text, error).splitlines()
    assert [first.removeprefix("feature view 'spend', filter: "), *others][: len(lines)] == lines


@pytest.mark.parametrize(
    ("text", "error", "answer"),
    [
        ("avg(amount) > 1", UnsupportedError, "'avg': it is an aggregate"),
        ("avg(amount) > 1", UnsupportedError, "ht.Aggregation(column, 'mean', time_window)"),
        ("std(amount) > 1", UnsupportedError, "'stddev_samp'"),
        ("nunique(status) > 1", UnsupportedError, "'count_distinct'"),
        ("max(amount) > 1", UnsupportedError, "greatest(x, y)"),
        ("if(flag, 1, 2) = 1", UnsupportedError, "case when … then … else … end"),
        ("is_null(amount)", UnsupportedError, "x is null, x is not null"),
        ("rand() < 0.5", UnsupportedError, "no function 'rand': it would give another value at each run"),
        ("random() < 0.5", UnsupportedError, "no function 'random': it would give another value at each run"),
        ('status = "settled"', UnknownColumnError, "a text is written in single quotes"),
        ("status = None", UnknownColumnError, "asked for with x is null"),
        ("flag && flag", UnsupportedError, "&& is not allowed in an expression; write and"),
        ("flag || flag", PlanTypeError, "conditions are joined by and, or"),
    ],
)
def test_habits_of_other_tools_get_their_answer(text: str, error: type[DefinitionError], answer: str) -> None:
    assert answer in refusal(text, error)


def test_only_functions_that_can_be_called_are_listed() -> None:
    listed = refusal("lowr(status)", UnsupportedError).split("functions: ")[1].split("\n")[0].split(", ")
    assert {"lower", "cast", "list_extract", "date_part"} <= set(listed)
    assert not {"add", "eq", "and", "case", "in", "like", "is_null", "concatenate", "shift"} & set(listed)


def test_the_caret_of_a_long_line_is_still_under_its_place() -> None:
    text = " and ".join(["amount > 1"] * 30) + " and amuont > 1"
    _, line, carets, *_ = refusal(text, UnknownColumnError).splitlines()
    assert len(line) < 120
    assert line[carets.index("^") : carets.rindex("^") + 1] == "amuont"
