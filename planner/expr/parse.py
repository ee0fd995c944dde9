"""SQL text to typed expressions: sqlglot parses, an allow-list decides, and columns are bound and typed.

Every kind of node is named (in ``syntax``) with the arguments that it may have; anything else, a subquery, a command,
an option of a known function, is refused with an error that names it.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import date

import sqlglot
from sqlglot import Token, TokenType, exp
from sqlglot.errors import SqlglotError

from ..durations import parse_instant
from ..errors import DefinitionError, PlanTypeError, Problems, UnknownColumnError, UnsupportedError, shown, unknown_name
from ..room import has_room, with_room
from ..types import BOOL, DATE, FLOAT64, INT64, NULL, STRING, DataType, Schema, is_text, unusable_name
from .functions import DIFFERENCE_UNITS, FUNCTIONS, MICROSECONDS, PARTS, TRUNCATION_UNITS, call
from .nodes import MOST_LEVELS, MOST_NODES, Cast, Column, Expr, Literal
from .syntax import HARMLESS, MISREAD, NAMED, OPERATORS, OPTIONAL, PART_NODES, TRIMS, TYPES
from .type_rules import TypeRuleError


def parse_table_name(text: str, where: str) -> tuple[str, ...]:
    """The parts of a table's name, such as ``main.transactions`` or ``lake."2024".sales``.

    >>> parse_table_name('lake."a.b"', "TableSource")
    ('lake', 'a.b')
    """
    if not isinstance(text, str):
        raise DefinitionError(f"{where}: {shown(text)} is not a table's name; give a text")
    example = "write it as table, schema.table or catalog.schema.table, in double quotes where a part needs them"
    try:
        with _unlogged():
            table = exp.maybe_parse(text, into=exp.Table, dialect="duckdb")
    except (SqlglotError, AttributeError, TypeError, ValueError):
        table = None
    parts = table.parts if isinstance(table, exp.Table) else []
    is_plain = all(isinstance(part, exp.Identifier) and part.name for part in parts)
    given = isinstance(table, exp.Table) and [key for key, value in table.args.items() if value]
    is_plain = is_plain and not any(unusable_name(part.name) for part in parts)
    if not 1 <= len(parts) <= 3 or not is_plain or not set(given or ()) <= {"this", "db", "catalog"}:
        raise DefinitionError(f"{where}: {shown(text)} is not a table's name; {example}")
    return tuple(part.name for part in parts)


@with_room
def parse_expression(text: str, schema: Schema, where: str) -> Expr:
    """The typed expression that ``text`` means over ``schema``; ``where`` says whose expression it is.

    Raises a DefinitionError (UnknownColumnError, PlanTypeError, UnsupportedError) with every problem of the text.

    >>> from ..types import Field
    >>> str(parse_expression("amount > 1", Schema([Field("amount", FLOAT64)]), "filter").type)
    'bool'
    """
    if not is_text(text):
        raise DefinitionError(f"{where}: {shown(text)} holds half of a surrogate pair, which is no text")
    try:
        with _unlogged():
            tokens = sqlglot.tokenize(text, dialect="duckdb")
            check_depth(_nesting(tokens), where)
            tree = sqlglot.parse_one(text, dialect="duckdb")
            check_depth(_levels(tree), where)
            written = {text[token.start : token.end + 1] for token in tokens}
            misread = [operator for operator in MISREAD if operator in written]
        binder = _Binder(schema, where)
        for operator in misread:
            instead = MISREAD[operator]
            binder.problem(f"{operator} is not allowed in an expression; write {instead}", UnsupportedError)
        expr = binder.bind(tree)
    except SqlglotError as error:
        reason = re.sub(r"\x1b\[\d+m", "", str(error)).split("\n", 1)[0].rstrip(".")
        reason = re.sub(r"Required keyword: .* missing for <class [^>]*>", "Something is missing", reason)
        raise DefinitionError(f"{where}: {shown(text)} is not an SQL expression: {reason[:300]}") from None
    except RecursionError:
        if not has_room():
            raise
        raise DefinitionError(f"{where}: {_TOO_DEEP}") from None
    binder.problems.raise_if_any()
    check_size(expr, where)
    return expr


def check_depth(levels: int, where: str) -> None:
    """Raise a DefinitionError where an expression is nested too deeply for the engines."""
    if levels > MOST_LEVELS:
        raise DefinitionError(f"{where}: {_TOO_DEEP}, and this is {levels:,} levels deep")


def check_size(expr: Expr, where: str) -> None:
    """Raise a DefinitionError where an expression, with all that is put in its columns' place, is too much for SQL."""
    check_depth(expr.levels, where)
    if expr.nodes > MOST_NODES:
        most = f"an expression has at most {MOST_NODES:,} parts"
        raise DefinitionError(
            f"{where}: {most}, and this has {expr.nodes:,} with the columns that it reads written out; {_INSTEAD}"
        )


_OPENING = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE})
_CLOSING = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END})
_PREFIXES = frozenset({TokenType.NOT, TokenType.DASH, TokenType.PLUS, TokenType.TILDE})
_INSTEAD = "compute it in steps, by views that are chained, or in the source"
_TOO_DEEP = f"an expression is nested at most {MOST_LEVELS} levels deep"


def _nesting(tokens: list[Token]) -> int:
    """How deep parentheses and CASE are nested, and signs and NOT follow each other: there a parser calls itself."""
    most = level = 0
    outside: list[int] = []
    before: TokenType | None = None
    for kind in (token.token_type for token in tokens):
        if kind in _OPENING:
            outside.append(level)
            level += 1
        elif kind in _CLOSING and outside:
            level = outside.pop()
        elif kind in _PREFIXES and (before is None or before in _PREFIXES | _OPENING):
            level += 1
        elif kind not in _PREFIXES:
            level = outside[-1] + 1 if outside else 0
        most, before = max(most, level), kind
    return most


def _levels(tree: exp.Expr) -> int:
    """How deep a tree is, found without recursion; AND and OR of many conditions are one level."""
    most = 0
    waiting = [(tree, 1)]
    while waiting:
        node, level = waiting.pop()
        most = max(most, level)
        for child in node.iter_expressions():
            is_same = isinstance(node, exp.Paren) or (isinstance(node, exp.Connector) and type(child) is type(node))
            waiting.append((child, level if is_same else level + 1))
    return most


def parse_condition(text: str, schema: Schema, where: str) -> Expr:
    """Like ``parse_expression``, for a predicate: the type must be bool."""
    expr = parse_expression(text, schema, where)
    if expr.type.kind not in ("bool", "null"):
        raise PlanTypeError(f"{where}: {shown(text)} is {expr.type}, not a condition")
    return expr


@contextmanager
def _unlogged() -> Generator[None]:
    """Keeps sqlglot from logging what it takes for a command: here that is an error with a message of its own."""
    thread, logger = threading.get_ident(), logging.getLogger("sqlglot")

    def is_of_others(record: logging.LogRecord) -> bool:
        return record.thread != thread

    logger.addFilter(is_of_others)
    try:
        yield
    finally:
        logger.removeFilter(is_of_others)


class _Binder:
    """Binds one tree. A problem is noted and stands in as a null, so that the rest is still checked."""

    def __init__(self, schema: Schema, where: str) -> None:
        self._schema = schema
        self._folded = {name.lower(): name for name in schema.names}
        self._where = where
        self.problems = Problems()

    def bind(self, tree: exp.Expr) -> Expr:
        kind = type(tree)
        if kind in OPERATORS:
            return self._operator(tree, *OPERATORS[kind])
        match tree:
            case exp.Paren():
                return self._only(tree, "this") or self.bind(tree.this)
            case exp.Column():
                return self._only(tree, "this") or self._column(tree.name)
            case exp.Literal():
                return self._literal(tree)
            case exp.Boolean():
                return Literal(bool(tree.this), BOOL)
            case exp.Null():
                return Literal(None, NULL)
            case exp.Is():
                return self._only(tree, "this", "expression") or self._is(tree)
            case exp.Between():
                return self._only(tree, "this", "low", "high") or self._between(tree)
            case exp.Case():
                return self._only(tree, "this", "ifs", "default") or self._case(tree)
            case exp.Cast():
                return self._only(tree, "this", "to") or self._cast(tree)
            case exp.TimestampTrunc() | exp.DateTrunc():
                return self._only(tree, "this", "unit") or self._with_unit("date_trunc", tree.this, tree.args["unit"])
            case exp.Extract():
                return self._only(tree, "this", "expression") or self._with_unit("extract", tree.expression, tree.this)
            case exp.DateDiff():
                return self._only(tree, "this", "expression", "unit") or self._date_diff(tree)
            case exp.Trim():
                function = TRIMS.get(tree.args.get("position") or "")
                refused = self._only(tree, "this", "position")
                return refused or (self._call(function, self.bind(tree.this)) if function else self._refuse(tree))
            case exp.Log() if tree.expression is not None and tree.this.name == "10":
                return self._call("log10", self.bind(tree.expression))
            case exp.Bracket() if len(tree.expressions) == 1 and not isinstance(tree.expressions[0], exp.Slice):
                return self._only(tree, "this", "expressions") or self._element(tree)
            case exp.Anonymous():
                return self._named(tree)
            case _ if kind in PART_NODES:
                part = Literal(PART_NODES[kind], STRING)
                return self._only(tree, "this") or self._call("extract", part, self.bind(tree.this))
            case _:
                return self._refuse(tree)

    def _operator(self, tree: exp.Expr, function: str, argument_names: tuple[str, ...]) -> Expr:
        negated = isinstance(tree, exp.Like | exp.ILike) and bool(tree.args.get("negate"))
        refused = self._only(tree, *argument_names, *(("negate",) if negated else ()))
        if refused is not None:
            return refused
        operands: list[exp.Expr] = []
        for name in argument_names:
            value = tree.args.get(name)
            if value is None and name not in OPTIONAL:
                return self.problem(f"{function}: its {name} is missing", PlanTypeError)
            operands.extend(value if isinstance(value, list) else [value] if value is not None else [])
        if function in ("add", "subtract") and any(isinstance(operand, exp.Interval) for operand in operands):
            return self._shift(function, operands[0], operands[1])
        if function in ("and", "or"):
            operands = list(tree.flatten())
        if function == "negate" and isinstance(operands[0], exp.Literal) and not operands[0].is_string:
            return self._literal(operands[0], sign="-")
        result = self._call(function, *map(self.bind, operands))
        return self._call("not", result) if negated else result

    def _call(self, function: str, *args: Expr) -> Expr:
        try:
            return call(function, *args)
        except TypeRuleError as error:
            return self.problem(f"{function}: {error}", PlanTypeError)

    def _column(self, name: str) -> Expr:
        found = self._folded.get(name.lower())
        if found is None:
            return self.problem(unknown_name("no column", name, self._schema.names), UnknownColumnError)
        wrong = unusable_name(found)
        if wrong:
            return self.problem(f"column {shown(found)}: no engine has a name that {wrong}; rename the column")
        return Column(found, self._schema[found])

    def _literal(self, tree: exp.Literal, sign: str = "") -> Expr:
        text = sign + str(tree.this)
        if tree.is_string:
            return Literal(text, STRING)
        if re.fullmatch(r"-?\d+", text) is None:
            return Literal(float(text), FLOAT64)
        if not -(2**63) <= int(text) < 2**63:
            return self.problem(f"the integer {text} does not fit 64 bits; write it as {text}.0 for a float")
        return Literal(int(text), INT64)

    def _is(self, tree: exp.Is) -> Expr:
        operand = self.bind(tree.this)
        if isinstance(tree.expression, exp.Null):
            return self._call("is_null", operand)
        if isinstance(tree.expression, exp.Boolean):
            wanted = operand if tree.expression.this else self._call("not", operand)
            return self._call("coalesce", wanted, Literal(False, BOOL))
        return self._refuse(tree)

    def _between(self, tree: exp.Between) -> Expr:
        operand = self.bind(tree.this)
        low = self._call("ge", operand, self.bind(tree.args["low"]))
        return self._call("and", low, self._call("le", operand, self.bind(tree.args["high"])))

    def _case(self, tree: exp.Case) -> Expr:
        parts: list[Expr] = []
        for branch in tree.args["ifs"]:
            condition = self.bind(branch.this)
            if tree.this is not None:
                condition = self._call("eq", self.bind(tree.this), condition)
            parts += [condition, self.bind(branch.args["true"])]
        default = tree.args.get("default")
        return self._call("case", *parts, self.bind(default) if default is not None else Literal(None, NULL))

    def _cast(self, tree: exp.Cast) -> Expr:
        target = TYPES.get(tree.to.this) if not tree.to.expressions else _decimal_type(tree.to)
        if target is None:
            return self.problem(f"no cast to {tree.to.sql('duckdb')}; there are {_type_names()}", UnsupportedError)
        is_try = isinstance(tree, exp.TryCast)
        if isinstance(tree.this, exp.Literal) and tree.this.is_string and target.is_instant and not is_try:
            return self._instant_literal(str(tree.this.this), target)
        operand = self.bind(tree.this)
        if operand.type.kind == "null":
            return Literal(None, target)
        if operand.type == target:
            return operand
        if not _may_cast(operand.type, target):
            return self.problem(f"cast: {operand.type} does not become {target}", PlanTypeError)
        return Cast(operand, target, is_try=is_try)

    def _instant_literal(self, text: str, target: DataType) -> Expr:
        try:
            if re.match(r"\d{4}-\d{2}-\d{2}", text) is None:
                raise ValueError(text)
            if target.kind == "date":
                return Literal((date.fromisoformat(text) - date(1970, 1, 1)).days, DATE)
            return Literal(parse_instant(text), target)
        except (DefinitionError, ValueError):
            return self.problem(f"{text!r} is not a {target.kind}; write it in ISO form, as in '2024-01-31'")

    def _with_unit(self, function: str, operand: exp.Expr, unit: exp.Expr) -> Expr:
        name = self._unit(function, unit, PARTS if function == "extract" else TRUNCATION_UNITS)
        return name if name.type.kind == "null" else self._call(function, name, self.bind(operand))

    def _date_diff(self, tree: exp.DateDiff) -> Expr:
        name = self._unit("date_diff", tree.args.get("unit") or exp.Var(this=""), DIFFERENCE_UNITS)
        start, end = self.bind(tree.expression), self.bind(tree.this)
        return name if name.type.kind == "null" else self._call("date_diff", name, start, end)

    def _unit(self, function: str, unit: exp.Expr, options: tuple[str, ...]) -> Expr:
        name = unit.name.lower()
        if name not in options:
            return self.problem(unknown_name(f"{function}: no unit", name, options, listed_as="units"))
        return Literal(name, STRING)

    def _element(self, tree: exp.Bracket) -> Expr:
        """The element at a position; sqlglot counts from 0 where the text counts from 1."""
        index = tree.expressions[0]
        if not isinstance(index, exp.Literal) or index.is_string:
            message = "an element is taken by a whole number from 1 on, written there, as in tags[1]"
            return self.problem(message, PlanTypeError)
        return self._call("list_extract", self.bind(tree.this), Literal(int(index.this) + 1, INT64))

    def _named(self, tree: exp.Anonymous) -> Expr:
        """A function that sqlglot has no node for."""
        name, args = tree.name.lower(), tree.expressions
        if name in ("date_part", "datepart") and len(args) == 2:
            return self._with_unit("extract", args[1], args[0])
        if name == "doy" and len(args) == 1:
            return self._call("extract", Literal(name, STRING), self.bind(args[0]))
        if NAMED.get(name) != len(args):
            return self._unknown_function(tree.name)
        return self._call(name, *map(self.bind, args))

    def _shift(self, function: str, left: exp.Expr, right: exp.Expr) -> Expr:
        if function == "add" and isinstance(left, exp.Interval):
            left, right = right, left
        if not isinstance(right, exp.Interval):
            return self.problem("an interval stands on the right of '-'", PlanTypeError)
        unit = right.args.get("unit")
        name = (unit.name if unit is not None else "").lower().removesuffix("s")
        amount = right.this.name if isinstance(right.this, exp.Literal) else ""
        if name in ("month", "year", "quarter", "decade", "century"):
            return self.problem(f"interval {amount} {name}: months and years have no fixed length")
        if name not in MICROSECONDS or re.fullmatch(r"-?\d+", amount) is None:
            text = right.sql("duckdb")
            return self.problem(f"{text}: write an interval as a whole number and a unit, as in interval '3 hours'")
        micros = int(amount) * MICROSECONDS[name] * (1 if function == "add" else -1)
        return self._call("shift", self.bind(left), Literal(micros, INT64))

    def _only(self, tree: exp.Expr, *allowed: str) -> Expr | None:
        """A problem where the node has any argument but the allowed ones; else None."""
        harmless = HARMLESS.get(type(tree), set())
        extra = [name for name, value in tree.args.items() if value and name not in allowed and name not in harmless]
        return self.problem(f"{tree.sql('duckdb')}: {extra[0]} is not supported", UnsupportedError) if extra else None

    def _refuse(self, tree: exp.Expr) -> Expr:
        if isinstance(tree, exp.Block):
            return self.problem("holds several statements; give one expression")
        if isinstance(tree, exp.Query | exp.Subquery | exp.Exists):
            return self.problem("subqueries are not allowed in an expression", UnsupportedError)
        if isinstance(tree, exp.Func) and not isinstance(tree, exp.Connector):
            return self._unknown_function(tree.sql_name().lower())
        return self.problem(f"{type(tree).__name__.lower()} is not allowed in an expression", UnsupportedError)

    def _unknown_function(self, name: str) -> Expr:
        public = sorted(function.name for function in FUNCTIONS.values() if function.visibility == "public")
        message = unknown_name("no function", name, [*public, "cast"], listed_as="functions and operators")
        return self.problem(message, UnsupportedError)

    def problem(self, message: str, error: type[DefinitionError] = DefinitionError) -> Expr:
        self.problems.add(f"{self._where}: {message}", error)
        return Literal(None, NULL)


def _decimal_type(to: exp.DataType) -> DataType | None:
    """A decimal with its digits, the only type that is written with parameters."""
    digits = [param.name for param in to.expressions]
    if to.this != exp.DType.DECIMAL or not 1 <= len(digits) <= 2 or not all(each.isdecimal() for each in digits):
        return None
    precision, scale = int(digits[0]), int(digits[1]) if digits[1:] else 0
    is_one = 1 <= precision <= 38 and scale <= precision
    return DataType("decimal", precision=precision, scale=scale) if is_one else None


def _may_cast(source: DataType, target: DataType) -> bool:
    """The conversions with one meaning on every engine; a float's text and its decimal digits are none of them."""
    if source.kind == "string":
        return target.kind in ("bool", "date", "timestamp", "decimal") or target.is_integer or target == FLOAT64
    if source.kind == "bool":
        return target.is_integer or target.is_float or target.kind == "string"
    if source.is_integer:
        return target.is_numeric or target.kind in ("bool", "string")
    if source.is_float:
        return target.is_integer or target.is_float
    if source.kind == "decimal":
        return target.is_numeric or target.kind == "string"
    return source.is_instant and (target.is_instant or target.kind == "string")


def _type_names() -> str:
    return ", ".join([*dict.fromkeys(str(kind.name).lower() for kind in TYPES), "decimal(10, 2)"])
