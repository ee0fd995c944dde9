"""What a feature view declares, and what follows from that alone: no schema is known here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from ..ir.intervals import latest_bound
from .aggregations import Aggregation
from .checks import Definition
from .sources import Entity, Source


class ViewDefinition(Definition):
    """The fields of a FeatureView, which checks them; a resolver reads them here."""

    name: str
    entities: tuple[Entity, ...]
    source: Source | ViewDefinition
    filter: str | None
    columns: Mapping[str, str]
    features: tuple[str, ...] | None
    ttl: int | None
    allow_exact_matches: bool
    aggregations: tuple[Aggregation, ...]
    post_aggregation: Mapping[str, str]
    description: str
    tags: Mapping[str, str]

    @property
    def join_keys(self) -> tuple[str, ...]:
        """The key columns of all entities, in order."""
        return tuple(key for entity in self.entities for key in entity.join_keys)

    @property
    def origin(self) -> Source:
        """The source that the rows come from, through however many chained views."""
        return cast("Source", self.chain[-1].source)

    @property
    def chain(self) -> tuple[ViewDefinition, ...]:
        """The view and those whose rows it reads, up to the one that reads the source."""
        views: list[ViewDefinition] = [self]
        while isinstance(above := views[-1].source, ViewDefinition):
            views.append(above)
        return tuple(views)

    def __eq__(self, other: object) -> bool:
        if self is other or type(self) is not type(other):
            return self is other
        assert isinstance(other, ViewDefinition)
        mine, others = self.chain, other.chain
        return len(mine) == len(others) and all(
            type(one) is type(two) and one._own_state() == two._own_state()
            for one, two in zip(mine, others, strict=True)
        )

    __hash__ = Definition.__hash__

    def __reduce__(self) -> tuple[Callable[..., ViewDefinition], tuple[object, ...]]:
        """The chain as a flat list of views: copy and pickle would recurse on nested ones."""
        return _restored, (self.origin, tuple((type(view), view._own_state()) for view in self.chain))

    def _own_state(self) -> dict[str, object]:
        """Everything but a view that this one is chained on."""
        state = self.__getstate__()
        return state | {"source": None} if isinstance(self.source, ViewDefinition) else state

    @property
    def bound(self) -> str:
        """Which rows a query at ``t`` sees."""
        delay = self.origin.data_delay
        if self.aggregations:
            return ", ".join(dict.fromkeys(item.bound_with(delay) for item in self.aggregations))
        return latest_bound(ttl=self.ttl, allow_exact_matches=self.allow_exact_matches, data_delay=delay)


def _restored(source: Source, views: Sequence[tuple[type[ViewDefinition], dict[str, object]]]) -> ViewDefinition:
    """The first view of a chain whose last one reads the source."""
    below: Source | ViewDefinition = source
    for kind, state in reversed(views):
        made = object.__new__(kind)
        made.__setstate__(state | {"source": below})
        below = made
    assert isinstance(below, ViewDefinition)
    return below
