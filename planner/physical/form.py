"""What a form is: a way to carry a logical node out, as a rewrite to operators."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar

from ..expr.nodes import Column, Expr, replace_columns
from ..ir.logical import AsofJoin, Project, Relation, WindowAggregate, identity_columns
from ..ir.operators import Carried, Named
from ..ir.printer import match_line
from ..statistics import Choice, Cost, Rates
from ..types import Schema, folded, unused_name
from .sizes import Sizes

PointInTime = AsofJoin | WindowAggregate
N = TypeVar("N", AsofJoin, WindowAggregate)


class Form(ABC, Generic[N]):
    """One way to carry out a logical node. It says for which nodes it is right, and what it expands them to."""

    name: ClassVar[str]
    on: ClassVar[type[Relation]]
    needs: ClassVar[frozenset[type[Relation]]] = frozenset()
    """The operators that not every engine has."""
    makes_pairs: ClassVar[bool] = False
    """Whether each row meets every event in its longest interval: there may be any number of them."""

    @abstractmethod
    def applies_to(self, node: N) -> bool:
        """Whether the expansion gives the node's answer."""

    @abstractmethod
    def expand(self, node: N) -> Relation:
        """Operators that give the node's rows, with its schema."""

    def detail(self, node: N) -> str:
        """What else decides how the form runs; printed behind the node's own line."""
        del node
        return ""

    def cost(self, node: N, sizes: Sizes, rates: Rates) -> Cost | None:
        """What the form takes for these data; None where too little is known of them.

        It is asked only where another form would give the answer, and asks only what it needs to know. More rows
        with as many events each never make a form cheaper.
        """
        del node, sizes, rates
        return None

    def in_parts(self, parts: int) -> Form[N] | None:
        """The form that does its work in so many parts, and holds one of them at a time; None where it can't."""
        del parts
        return None

    def of(self, node: N, choice: Choice | None = None) -> Carried:
        """The node carried out in this form."""
        return Carried(
            self.expand(node),
            choice=choice or Choice(node.label, self.name),
            line=match_line(self.name, node) + self.detail(node),
            leaves=(node.spine.fingerprint, node.events.fingerprint),
        )


@dataclass
class Expansion:
    """One expansion in the making: names of steps, after its views, and names of columns that nothing else has."""

    node: PointInTime
    _taken: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self._taken = {folded(name) for name in (*self.node.schema.names, *self.node.events.schema.names)}

    def fresh(self, wish: str) -> str:
        """A column name that neither the node nor its events have."""
        name = unused_name(wish, self._taken)
        self._taken.add(folded(name))
        return name

    def step(self, relation: Relation, role: str, label: str = "") -> Named:
        """A step with a name."""
        return Named(relation, label or self.node.label or "query", role)

    @property
    def events(self) -> Named:
        """The events, which are read by name."""
        return self.step(self.node.events, "events")

    def beside_spine(self, events: Relation, columns: Iterable[str], left: Schema) -> tuple[Relation, Beside]:
        """The event columns that a join needs besides its keys, renamed where a left column has their name.

        An event key that is read, too, is the left column that it equals.
        """
        keys = {right: left_key for left_key, right in self.node.keys}
        kept = {right: right for right in keys}
        names: dict[str, str] = {}
        taken = {folded(name) for name in (*left.names, *keys)}
        for column in dict.fromkeys(columns):
            if column in keys:
                names[column] = keys[column]
                continue
            names[column] = kept[column] = name = unused_name(column, taken)
            taken.add(folded(name))
        schema = events.schema
        renamed = Project(events, tuple((name, Column(column, schema[column])) for column, name in kept.items()))
        return renamed, Beside(schema, names)


@dataclass(frozen=True)
class Beside:
    """What the columns of events are called in a join with the spine."""

    schema: Schema
    names: Mapping[str, str]

    def column(self, name: str) -> Column:
        """An event's column, over the join."""
        return Column(self.names[name], self.schema[name])

    def over(self, expr: Expr) -> Expr:
        """An expression over an event, as one over the join."""
        return replace_columns(expr, lambda column: Column(self.names[column.name], column.type))


def with_columns(relation: Relation, more: Iterable[tuple[str, Expr]]) -> Project:
    """A relation with more columns."""
    return Project(relation, (*identity_columns(relation.schema), *more))
