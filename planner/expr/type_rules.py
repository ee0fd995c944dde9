"""Which types a function takes, and what it gives: the rules of the function table.

A type rule takes the argument types and says to which types the arguments are brought and what comes out; it raises
``TypeRuleError`` where the function is not defined for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..types import BOOL, FLOAT64, INT64, NULL, STRING, TIMESTAMP, DataType
from ..types import MOST_DIGITS as MOST_DIGITS

Types = Sequence[DataType]
_DIGITS = {"int8": 3, "uint8": 3, "int16": 5, "uint16": 5, "int32": 10, "uint32": 10}


class TypeRuleError(Exception):
    """A function does not take arguments of these types; the text completes 'function: …'."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The types that the arguments are brought to, and the type of the result."""

    arguments: tuple[DataType, ...]
    result: DataType


def common_type(types: Types) -> DataType:
    """The type that all these types are compared as: integers and decimals beside floats are floats."""
    known = [type_ for type_ in dict.fromkeys(types) if type_.kind != "null"]
    if not known:
        return NULL
    first = known[0]
    if len(known) == 1:
        return first
    if all(type_.is_integer for type_ in known):
        return INT64
    if all(type_.is_numeric for type_ in known):
        return FLOAT64 if any(type_.is_float for type_ in known) else _common_decimal(known)
    if all(type_.is_instant for type_ in known):
        zones = {type_.zone for type_ in known if type_.kind == "timestamp"}
        return DataType("timestamp", unit="us", zone=zones.pop() if len(zones) == 1 else "UTC")
    raise TypeRuleError(f"{' and '.join(map(str, known))} have no common type; cast one of them")


def decimal(precision: int, scale: int) -> DataType:
    """A decimal of so many digits, of which so many are behind the point."""
    return DataType("decimal", precision=precision, scale=scale)


def _as_decimal(type_: DataType) -> DataType:
    return type_ if type_.kind == "decimal" else decimal(_DIGITS.get(type_.kind, 19), 0)


def _common_decimal(types: Types) -> DataType:
    """The decimal that holds every value of all of them."""
    decimals = [_as_decimal(type_) for type_ in types]
    scale = max(type_.scale for type_ in decimals)
    precision = max(type_.precision - type_.scale for type_ in decimals) + scale
    if precision > MOST_DIGITS:
        raise TypeRuleError(f"{' and '.join(map(str, types))} need more than 38 digits; cast one of them")
    return decimal(precision, scale)


def _number(type_: DataType) -> DataType:
    if type_.kind == "null" or type_.is_integer:
        return INT64
    if type_.is_float:
        return FLOAT64
    if type_.kind == "decimal":
        return type_
    raise TypeRuleError(f"takes numbers, not {type_}")


def _are_decimals(types: Types) -> bool:
    numbers = [_number(type_) for type_ in types]
    return any(type_.kind == "decimal" for type_ in numbers) and not any(type_.is_float for type_ in numbers)


def arithmetic(types: Types) -> Signature:
    """Numbers of one kind, and the result is of it."""
    result = common_type([_number(type_) for type_ in types])
    return Signature((result,) * len(types), result)


def addition(types: Types) -> Signature:
    """Numbers of one kind; decimals give one digit more than both need."""
    if not _are_decimals(types):
        return arithmetic(types)
    common = _common_decimal([type_ for type_ in types if type_.kind != "null"])
    own = tuple(common if type_.kind == "null" else _as_decimal(type_) for type_ in types)
    return Signature(own, decimal(min(common.precision + 1, MOST_DIGITS), common.scale))


def multiplication(types: Types) -> Signature:
    """Numbers of one kind; decimals give the digits of both."""
    if not _are_decimals(types):
        return arithmetic(types)
    own = tuple(decimal(1, 0) if type_.kind == "null" else _as_decimal(type_) for type_ in types)
    precision, scale = sum(type_.precision for type_ in own), sum(type_.scale for type_ in own)
    if scale > MOST_DIGITS:
        raise TypeRuleError(f"{' and '.join(map(str, types))} need more than 38 digits; cast one of them")
    return Signature(own, decimal(min(precision, MOST_DIGITS), scale))


def division(types: Types) -> Signature:
    """Numbers, as floats."""
    for type_ in types:
        _number(type_)
    return Signature((FLOAT64, FLOAT64), FLOAT64)


def whole(types: Types) -> Signature:
    """A number. A decimal loses its fraction, and may gain one digit."""
    (type_,) = types
    if type_.kind != "decimal" or not type_.scale:
        return arithmetic(types)
    return Signature((type_,), decimal(type_.precision - type_.scale + 1, 0))


def integers(types: Types) -> Signature:
    """Integers of any width, as 64 bits."""
    for type_ in types:
        if not type_.is_integer and type_.kind != "null":
            raise TypeRuleError(f"takes integers, not {type_}")
    return Signature((INT64,) * len(types), INT64)


def comparison(types: Types) -> Signature:
    """Values of one kind, but for lists and structs."""
    for type_ in types:
        if type_.is_nested:
            raise TypeRuleError(f"does not compare {type_}")
    common = common_type(types)
    return Signature((common,) * len(types), BOOL)


def logic(types: Types) -> Signature:
    """Conditions."""
    for type_ in types:
        if type_.kind not in ("bool", "null"):
            raise TypeRuleError(f"takes conditions, not {type_}")
    return Signature((BOOL,) * len(types), BOOL)


def null_test(types: Types) -> Signature:
    """Anything."""
    return Signature(tuple(types), BOOL)


def case(types: Types) -> Signature:
    """Arguments: condition, value, condition, value, …, default."""
    conditions, values = types[:-1:2], [*types[1::2], types[-1]]
    logic(conditions)
    common = common_type(values)
    arguments = tuple(BOOL if index % 2 == 0 else common for index in range(len(types) - 1))
    return Signature((*arguments, common), common)


def choice(types: Types) -> Signature:
    """Values of one kind, and the result is of it."""
    common = common_type(types)
    return Signature((common,) * len(types), common)


def text(result: DataType) -> Callable[[Types], Signature]:
    """Texts."""

    def rule(types: Types) -> Signature:
        for type_ in types:
            if type_.kind not in ("string", "null"):
                raise TypeRuleError(f"takes strings, not {type_}")
        return Signature((STRING,) * len(types), result)

    return rule


def _instant(type_: DataType) -> DataType:
    if not type_.is_instant and type_.kind != "null":
        raise TypeRuleError(f"takes a timestamp or a date, not {type_}")
    return DataType("timestamp", unit="us", zone=type_.zone) if type_.kind == "timestamp" else TIMESTAMP


def real(types: Types) -> Signature:
    """Numbers, as floats."""
    for type_ in types:
        _number(type_)
    return Signature((FLOAT64,) * len(types), FLOAT64)


def rounding(types: Types) -> Signature:
    """A number and how many digits: an integer stays one."""
    result = _number(types[0])
    integers(types[1:])
    return Signature((result, *(INT64 for _ in types[1:])), result)


def sign(types: Types) -> Signature:
    """A number gives an integer."""
    return Signature((_number(types[0]),), INT64)


def float_test(types: Types) -> Signature:
    """A condition on a float; integers are converted to floats."""
    return Signature(real(types).arguments, BOOL)


def extreme(types: Types) -> Signature:
    """Scalars with one order."""
    common = comparison(types).arguments[0]
    return Signature((common,) * len(types), common)


def text_and_numbers(result: DataType, texts: int) -> Callable[[Types], Signature]:
    """A fixed number of texts, then integers."""

    def rule(types: Types) -> Signature:
        text(result)(types[:texts])
        integers(types[texts:])
        return Signature((*(STRING for _ in types[:texts]), *(INT64 for _ in types[texts:])), result)

    return rule


def _element(type_: DataType) -> DataType:
    """The type of the elements of a list. An untyped null is no list."""
    if type_.element is None:
        raise TypeRuleError(f"takes a list, not {type_}")
    return type_.element


def length(types: Types) -> Signature:
    """Of a text or a list."""
    if types[0].kind != "list":
        return text(INT64)(types)
    return Signature(tuple(types), INT64)


def list_length(types: Types) -> Signature:
    """Of a list."""
    _element(types[0])
    return Signature(tuple(types), INT64)


def list_contains(types: Types) -> Signature:
    """A list, and a value of its elements' type."""
    element = _element(types[0])
    common = comparison((element, types[1])).arguments[0]
    if common != element:
        raise TypeRuleError(f"a list of {element} holds no {types[1]}; cast it")
    return Signature((types[0], element), BOOL)


def list_extract(types: Types) -> Signature:
    """A list, and a position from 1 on."""
    integers(types[1:])
    element = _element(types[0])
    if not element.can_be_feature:
        raise TypeRuleError(f"an element of {types[0]} is no value that a column can have")
    return Signature((types[0], INT64), element)


def difference(types: Types) -> Signature:
    """A unit and two instants."""
    return Signature((STRING, *map(_instant, types[1:])), INT64)


def instant_to(result: DataType) -> Callable[[Types], Signature]:
    """An instant gives a number."""
    return lambda types: Signature((_instant(types[0]),), result)


def truncation(types: Types) -> Signature:
    """A unit and an instant."""
    instant = _instant(types[1])
    return Signature((STRING, instant), instant)


def part(types: Types) -> Signature:
    """A part and an instant."""
    return Signature((STRING, _instant(types[1])), INT64)


def shift(types: Types) -> Signature:
    """An instant and microseconds."""
    instant = _instant(types[0])
    return Signature((instant, INT64), instant)


def instant_to_micros(types: Types) -> Signature:
    """An instant, whose microseconds are an integer."""
    if not types[0].is_instant:
        raise TypeRuleError(f"takes a timestamp or a date, not {types[0]}")
    return Signature((types[0],), INT64)


def planned(types: Types) -> Signature:
    """For functions that only a physical plan has, whose types the planner gives with the call."""
    raise TypeRuleError(f"is no function of {len(types)} arguments")
