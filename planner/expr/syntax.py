"""Which nodes of sqlglot's trees mean which functions, and with which of their arguments; anything else is refused."""

from __future__ import annotations

from sqlglot import exp

from ..types import BOOL, DATE, FLOAT64, INT64, STRING, TIMESTAMP, DataType

OPERATORS: dict[type[exp.Expr], tuple[str, tuple[str, ...]]] = {
    exp.Add: ("add", ("this", "expression")),
    exp.Sub: ("subtract", ("this", "expression")),
    exp.Mul: ("multiply", ("this", "expression")),
    exp.Div: ("divide", ("this", "expression")),
    exp.IntDiv: ("int_divide", ("this", "expression")),
    exp.Mod: ("modulo", ("this", "expression")),
    exp.Neg: ("negate", ("this",)),
    exp.EQ: ("eq", ("this", "expression")),
    exp.NEQ: ("ne", ("this", "expression")),
    exp.LT: ("lt", ("this", "expression")),
    exp.LTE: ("le", ("this", "expression")),
    exp.GT: ("gt", ("this", "expression")),
    exp.GTE: ("ge", ("this", "expression")),
    exp.And: ("and", ("this", "expression")),
    exp.Or: ("or", ("this", "expression")),
    exp.Not: ("not", ("this",)),
    exp.In: ("in", ("this", "expressions")),
    exp.Coalesce: ("coalesce", ("this", "expressions")),
    exp.Nullif: ("nullif", ("this", "expression")),
    exp.Abs: ("abs", ("this",)),
    exp.Floor: ("floor", ("this",)),
    exp.Ceil: ("ceil", ("this",)),
    exp.Lower: ("lower", ("this",)),
    exp.Upper: ("upper", ("this",)),
    exp.Length: ("length", ("this",)),
    exp.Like: ("like", ("this", "expression")),
    exp.ILike: ("ilike", ("this", "expression")),
    exp.NullSafeEQ: ("is_not_distinct_from", ("this", "expression")),
    exp.NullSafeNEQ: ("is_distinct_from", ("this", "expression")),
    exp.Greatest: ("greatest", ("this", "expressions")),
    exp.Least: ("least", ("this", "expressions")),
    exp.Round: ("round", ("this", "decimals")),
    exp.Sign: ("sign", ("this",)),
    exp.Sqrt: ("sqrt", ("this",)),
    exp.Exp: ("exp", ("this",)),
    exp.Ln: ("ln", ("this",)),
    exp.Pow: ("power", ("this", "expression")),
    exp.IsNan: ("isnan", ("this",)),
    exp.IsInf: ("isinf", ("this",)),
    exp.Substring: ("substr", ("this", "start", "length")),
    exp.Left: ("left", ("this", "expression")),
    exp.Right: ("right", ("this", "expression")),
    exp.Concat: ("concat", ("expressions",)),
    exp.DPipe: ("concatenate", ("this", "expression")),
    exp.Replace: ("replace", ("this", "expression", "replacement")),
    exp.StartsWith: ("starts_with", ("this", "expression")),
    exp.EndsWith: ("ends_with", ("this", "expression")),
    exp.Contains: ("contains", ("this", "expression")),
    exp.SplitPart: ("split_part", ("this", "delimiter", "part_index")),
    exp.RegexpLike: ("regexp_matches", ("this", "expression")),
    exp.RegexpExtract: ("regexp_extract", ("this", "expression", "group")),
    exp.TimeToUnix: ("epoch", ("this",)),
    exp.ArrayContains: ("list_contains", ("this", "expression")),
    exp.MD5: ("md5", ("this",)),
}
# The arguments of these that may be left out.
OPTIONAL = frozenset({"expressions", "decimals", "length", "group"})
# Functions whose names sqlglot has no node for, and how many arguments they take.
NAMED = {"isfinite": 1, "epoch_us": 1, "list_extract": 2}
PART_NODES: dict[type[exp.Expr], str] = {
    exp.Year: "year",
    exp.Quarter: "quarter",
    exp.Month: "month",
    exp.Week: "week",
    exp.WeekOfYear: "week",
    exp.Day: "day",
    exp.DayOfMonth: "day",
    exp.DayOfYear: "doy",
    exp.DayOfWeekIso: "isodow",
    exp.Hour: "hour",
    exp.Minute: "minute",
    exp.Second: "second",
}
TRIMS = {"": "trim", "LEADING": "ltrim", "TRAILING": "rtrim"}
TYPES: dict[exp.DType, DataType] = {
    exp.DType.BOOLEAN: BOOL,
    exp.DType.TINYINT: DataType("int8"),
    exp.DType.SMALLINT: DataType("int16"),
    exp.DType.INT: DataType("int32"),
    exp.DType.BIGINT: INT64,
    exp.DType.FLOAT: DataType("float32"),
    exp.DType.DOUBLE: FLOAT64,
    exp.DType.VARCHAR: STRING,
    exp.DType.TEXT: STRING,
    exp.DType.DATE: DATE,
    exp.DType.TIMESTAMP: TIMESTAMP,
    exp.DType.TIMESTAMPNTZ: TIMESTAMP,
    exp.DType.TIMESTAMPTZ: DataType("timestamp", unit="us", zone="UTC"),
}
# Operators that sqlglot takes for others than DuckDB does, and what to write instead.
MISREAD = {"~": "regexp_matches(text, '^(?:…)$')", "<=>": "is not distinct from"}
# Options that sqlglot sets by itself and that change nothing for us.
HARMLESS: dict[type[exp.Expr], set[str]] = {
    exp.Div: {"typed", "safe"},
    exp.Cast: {"_type"},
    exp.TryCast: {"_type", "safe"},
    exp.Greatest: {"ignore_nulls"},
    exp.Least: {"ignore_nulls"},
    exp.Concat: {"safe", "coalesce"},
    exp.DPipe: {"safe"},
    exp.RegexpExtract: {"null_if_pos_overflow"},
    exp.DateDiff: {"date_part_boundary"},
    exp.Bracket: {"offset", "safe"},
}
