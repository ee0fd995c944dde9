"""Short constructors for sqlglot's trees. Every identifier is quoted, and every subtree has one owner: no copies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

from sqlglot import exp

Sql = exp.Expr


def name(text: str) -> exp.Identifier:
    """A quoted identifier."""
    return exp.Identifier(this=text, quoted=True)


def column(text: str, table: str | None = None) -> exp.Column:
    """A column, qualified where a table is given."""
    return exp.Column(this=name(text), table=None if table is None else name(table))


def number(value: int) -> Sql:
    """An integer literal."""
    literal = exp.Literal(this=str(abs(value)), is_string=False)
    return exp.Neg(this=literal) if value < 0 else literal


def double(value: float) -> Sql:
    """A literal of 64 bits, which is that number exactly; it is finite."""
    digits = repr(abs(value))
    literal = exp.Literal(this=digits if "e" in digits else f"{digits}e0", is_string=False)
    return exp.Neg(this=literal) if math.copysign(1.0, value) < 0 else literal


def text(value: str) -> exp.Literal:
    """A string literal."""
    return exp.Literal(this=value, is_string=True)


def function(called: str, *args: Sql) -> exp.Anonymous:
    """A call of a function by the engine's own name; sqlglot does not interpret it."""
    return exp.Anonymous(this=called, expressions=list(args))


def lambda_function(parameters: Sequence[str], body: Sql) -> exp.Lambda:
    """A function without a name, for what is done with every element of a list."""
    return exp.Lambda(this=body, expressions=[name(parameter) for parameter in parameters], colon=True)


def cast(value: Sql, sql_type: str) -> exp.Cast:
    """A cast to a type that is spelled in the engine's own way."""
    return exp.Cast(this=value, to=exp.DataType(this=exp.DataType.Type.USERDEFINED, kind=sql_type))


def try_cast(value: Sql, sql_type: str) -> exp.TryCast:
    """A cast that is null for what the type does not have."""
    type_ = exp.DataType(this=exp.DataType.Type.USERDEFINED, kind=sql_type)
    return exp.TryCast(this=value, to=type_, safe=True)


def binary(kind: type[exp.Binary], left: Sql, right: Sql) -> Sql:
    """A binary operator over operands that are put in parentheses where they need them."""
    return kind(this=wrapped(left), expression=wrapped(right))


def wrapped(value: Sql) -> Sql:
    """The operand, in parentheses where it is an operator itself."""
    compound = isinstance(value, exp.Binary | exp.Not | exp.Neg | exp.Is | exp.In | exp.Between)
    return exp.Paren(this=value) if compound and not isinstance(value, exp.Dot) else value


def comparison(kind: type[exp.Binary], left: Sql, right: Sql) -> Sql:
    """A comparison, which binds less than arithmetic does."""
    return kind(this=_compared(left), expression=_compared(right))


def _compared(value: Sql) -> Sql:
    arithmetic = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg)
    return value if isinstance(value, arithmetic) else wrapped(value)


def is_present(value: Sql) -> Sql:
    """That a value is not null."""
    return exp.Is(this=wrapped(value), expression=exp.Not(this=exp.Null()))


def all_of(conditions: Iterable[Sql]) -> Sql | None:
    """The conditions joined by AND; None of none."""
    result: Sql | None = None
    for condition in conditions:
        part = exp.Paren(this=condition) if isinstance(condition, exp.Or) else condition
        result = part if result is None else exp.And(this=result, expression=part)
    return result


def case(branches: Sequence[tuple[Sql, Sql]], default: Sql | None = None) -> exp.Case:
    """CASE WHEN … THEN … ELSE … END."""
    return exp.Case(ifs=[exp.If(this=condition, true=value) for condition, value in branches], default=default)


def filtered(aggregate: Sql, condition: Sql | None) -> Sql:
    """An aggregate over the rows for which the condition is true."""
    return aggregate if condition is None else exp.Filter(this=aggregate, expression=exp.Where(this=condition))


def struct(fields: Iterable[tuple[str, Sql]]) -> exp.Struct:
    """A struct of named values."""
    return exp.Struct(expressions=[exp.PropertyEQ(this=name(field), expression=value) for field, value in fields])


def window(
    value: Sql, partition: Sequence[Sql], order: Sequence[Sql], frame: Literal["rows", "range"] = "rows"
) -> exp.Window:
    """An aggregate over the rows of a partition, in their order up to each row; without a word SQL means RANGE."""
    spec = None
    if frame == "rows":
        spec = exp.WindowSpec(kind="ROWS", start="UNBOUNDED", start_side="PRECEDING", end="CURRENT ROW")
    return exp.Window(
        this=value, partition_by=list(partition), order=exp.Order(expressions=list(order)) if order else None, spec=spec
    )


def aliased(value: Sql, alias: str) -> Sql:
    """A column of a SELECT list, with AS only where the name is another one."""
    if isinstance(value, exp.Column) and value.name == alias:
        return value
    return exp.Alias(this=value, alias=name(alias))


def qualified(parts: Sequence[str]) -> exp.Table:
    """A table of a catalog by the parts of its name: of at most a catalog, a schema and its own."""
    *above, own = (name(part) for part in parts)
    schema = above[-1] if above else None
    return exp.Table(this=own, db=schema, catalog=above[-2] if above[1:] else None)


def table(text: str, alias: str | None = None) -> exp.Table:
    """A table by name."""
    return exp.Table(this=name(text), alias=None if alias is None else exp.TableAlias(this=name(alias)))


def join(
    to: Sql, on: Iterable[Sql], *, side: Literal["LEFT"] | None = None, method: Literal["ASOF"] | None = None
) -> exp.Join:
    """A join; without conditions, on true."""
    return exp.Join(this=to, side=side, method=method, on=all_of(on) or exp.Boolean(this=True))


def select(
    columns: Iterable[tuple[str, Sql]],
    source: Sql | None,
    *,
    joins: Sequence[exp.Join] = (),
    where: Sql | None = None,
    group: Sequence[Sql] = (),
    order: Sequence[Sql] = (),
    distinct: bool = False,
) -> exp.Select:
    """A SELECT with its clauses in place."""
    return exp.Select(
        expressions=[aliased(value, alias) for alias, value in columns],
        from_=None if source is None else exp.From(this=source),
        joins=list(joins) or None,
        where=None if where is None else exp.Where(this=where),
        group=exp.Group(expressions=list(group)) if group else None,
        order=exp.Order(expressions=list(order)) if order else None,
        distinct=exp.Distinct() if distinct else None,
    )
