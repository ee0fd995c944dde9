"""One parsed expression becomes a typed one: an allow-list decides, and columns are bound and typed."""

from __future__ import annotations

import re
from datetime import date

from sqlglot import exp

from ..durations import parse_instant
from ..errors import DefinitionError, PlanTypeError, Problems, UnknownColumnError, UnsupportedError, shown, unknown_name
from ..types import BOOL, DATE, FLOAT64, INT64, NULL, STRING, DataType, Schema, unusable_name
from .functions import FUNCTIONS, MICROSECONDS, call
from .habits import COLUMNS_OF_OTHERS, FUNCTIONS_OF_OTHERS, pointed
from .nodes import Cast, Column, Expr, Literal
from .syntax import HARMLESS, NAMED, OPERATORS, OPTIONAL, PART_NODES, TRIMS, TYPES
from .type_rules import TypeRuleError


class Binder:
    """Binds one tree. A problem is noted and stands in as a null, so that the rest is still checked."""

    def __init__(self, text: str, schema: Schema | None, where: str) -> None:
        self._text = text
        self._tree: exp.Expr | None = None
        self._told: set[tuple[str, type[DefinitionError]]] = set()
        self._is_typed = schema is not None
        self._schema = schema if schema is not None else Schema([])
        self._folded = {name.lower(): name for name in self._schema.names}
        self._where = where
        self.problems = Problems()

    def bind(self, tree: exp.Expr) -> Expr:
        outer, self._tree = self._tree, tree
        try:
            return self._bound(tree)
        finally:
            self._tree = outer

    def _bound(self, tree: exp.Expr) -> Expr:
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
        if not self._is_typed:
            return Literal(None, NULL)
        try:
            return call(function, *args)
        except TypeRuleError as error:
            return self._mistyped(function, error)

    def _column(self, name: str) -> Expr:
        if not self._is_typed:
            return Literal(None, NULL)
        found = self._folded.get(name.lower())
        if found is None:
            return self._unknown_column(name)
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
        name = self._unit(function, unit)
        return name if name.type.kind == "null" else self._call(function, name, self.bind(operand))

    def _date_diff(self, tree: exp.DateDiff) -> Expr:
        name = self._unit("date_diff", tree.args.get("unit") or exp.Var(this=""))
        start, end = self.bind(tree.expression), self.bind(tree.this)
        return name if name.type.kind == "null" else self._call("date_diff", name, start, end)

    def _unit(self, function: str, unit: exp.Expr) -> Expr:
        name, options = unit.name.lower(), FUNCTIONS[function].units
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
        if isinstance(tree, exp.ArrayOverlaps):
            return self.problem("&& is not allowed in an expression; write and", UnsupportedError)
        if isinstance(tree, exp.Func) and not isinstance(tree, exp.Connector):
            return self._unknown_function(self._word(tree) or tree.sql_name().lower())
        return self.problem(f"{type(tree).__name__.lower()} is not allowed in an expression", UnsupportedError)

    def _unknown_function(self, name: str) -> Expr:
        instead = FUNCTIONS_OF_OTHERS.get(name.lower())
        if instead is not None:
            return self.problem(f"no function {shown(name)}: it {instead}", UnsupportedError)
        public = (each.name for each in FUNCTIONS.values() if each.visibility == "public" and not each.operator)
        called = sorted({*public, "cast", "try_cast", "date_part"})
        return self.problem(unknown_name("no function", name, called, listed_as="functions"), UnsupportedError)

    def _unknown_column(self, name: str) -> Expr:
        message = unknown_name("no column", name, self._schema.names)
        identifier = self._tree.this if isinstance(self._tree, exp.Column) else None
        if isinstance(identifier, exp.Identifier) and identifier.args.get("quoted"):
            message += "\n  a text is written in single quotes; double quotes are for names"
        elif name.lower() in COLUMNS_OF_OTHERS:
            message += f"\n  {COLUMNS_OF_OTHERS[name.lower()]}"
        return self.problem(message, UnknownColumnError)

    def _mistyped(self, function: str, error: TypeRuleError) -> Expr:
        """What the user wrote, why it has no meaning, and the types of the columns in it."""
        place = self._place()
        written = self._text[place[0] : place[1] + 1] if place else ""
        said = written if 0 < len(written) <= 60 and "\n" not in written else FUNCTIONS[function].operator or function
        message = f"{said}: {error}"
        names = [each.name for each in self._tree.find_all(exp.Column)] if self._tree is not None else []
        known = dict.fromkeys(self._folded[name.lower()] for name in names if name.lower() in self._folded)
        if known:
            types = ", ".join(f"{name} is {self._schema[name]}" for name in list(known)[:10])
            message += f"\n  {types}"
        if function == "concatenate" and "bool" in str(error):
            message += "\n  conditions are joined by and, or"
        return self.problem(message, PlanTypeError)

    def _word(self, tree: exp.Expr) -> str:
        """A function's name as the user wrote it; empty where that is not known."""
        start, end = tree.meta.get("start"), tree.meta.get("end")
        return self._text[start : end + 1] if isinstance(start, int) and isinstance(end, int) else ""

    def _place(self) -> tuple[int, int] | None:
        """The first and last place in the text of the tree being bound; None where the parser does not tell."""
        if self._tree is None:
            return None
        metas = [node.meta for node in self._tree.walk()]
        starts = [meta["start"] for meta in metas if "start" in meta]
        if not starts:
            return None
        start, end = min(starts), max(meta["end"] for meta in metas if "end" in meta)
        while (closing := self._text.find(")", end + 1)) >= 0 and _is_open(self._text[start : end + 1]):
            end = closing
        return start, end

    def problem(self, message: str, error: type[DefinitionError] = DefinitionError) -> Expr:
        """Note a problem of the tree that is bound; the text is quoted with a caret under the place."""
        if (message, error) in self._told:
            return Literal(None, NULL)
        self._told.add((message, error))
        place = self._place()
        first, *more = message.split("\n")
        lines = [first, *([pointed(self._text, *place)] if place else []), *more]
        self.problems.add(f"{self._where}: " + "\n".join(lines), error)
        return Literal(None, NULL)


def _is_open(text: str) -> bool:
    return text.count("(") > text.count(")")


def _decimal_type(to: exp.DataType) -> DataType | None:
    """A decimal with its digits, the only type that is written with parameters."""
    digits = [param.name for param in to.expressions]
    if to.this != exp.DType.DECIMAL or not 1 <= len(digits) <= 2 or not all(each.isdecimal() for each in digits):
        return None
    precision, scale = int(digits[0]), int(digits[1]) if digits[1:] else 0
    is_one = 1 <= precision <= 38 and scale <= precision
    return DataType("decimal", precision=precision, scale=scale) if is_one else None


def _may_cast(source: DataType, target: DataType) -> bool:
    """Whether a cast has one meaning on every engine. From a float to a string or a decimal it has not."""
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
