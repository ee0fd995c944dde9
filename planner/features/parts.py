"""The entities and aggregations that a view is declared with, each checked."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import DefinitionError, Problems, shown
from .aggregations import Aggregation
from .checks import check_list
from .sources import Entity

MOST_CHAINED = 100
"""How many views a chain has at most, the last one counted."""


def check_entities(given: Sequence[Entity | str], where: str, problems: Problems) -> tuple[Entity, ...]:
    """The entities, of which a bare name is one with that key; anything else is noted as a problem."""
    declared: list[Entity] = []
    for item in check_list(given, f"{where}: entities", problems):
        if isinstance(item, Entity):
            declared.append(item)
        elif isinstance(item, str):
            try:
                declared.append(Entity(item))
            except DefinitionError as error:
                problems.take(error, where)
        else:
            problems.add(f"{where}: entities holds {shown(item)}, which is not a name; give an Entity or a key's name")
    return tuple(declared)


def check_aggregations(given: Sequence[Aggregation], where: str, problems: Problems) -> tuple[Aggregation, ...]:
    """The aggregations of a list; anything else is noted as a problem."""
    if isinstance(given, str | Aggregation):
        problems.add(f"{where}: aggregations is a single {type(given).__name__}; give a list of Aggregation")
        return ()
    made: list[Aggregation] = []
    for item in check_list(given, f"{where}: aggregations", problems, " of Aggregation"):
        if isinstance(item, Aggregation):
            made.append(item)
        else:
            problems.add(f"{where}: aggregations holds {shown(item)}, which is no Aggregation")
    return tuple(made)
