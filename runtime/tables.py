"""The tables of one job, each under a name that no SQL of the user's can mean."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from contextlib import suppress
from dataclasses import replace

from ..planner.errors import HithertoError
from ..planner.features.definitions import Source
from ..planner.ir.data import CatalogTable
from ..planner.ir.logical import Table, meant_names
from ..planner.types import folded, unused_name
from .engine import ComputeEngine


class JobTables:
    """Each source of a job opened once, and named when all of them are open.

    Only then is it known which names the user's tables, queries, views and macros read. A table that the engine has to
    register gets another one, in whatever order the views are asked; so does the ``spine``.
    """

    def __init__(self, engine: ComputeEngine, sources: Iterable[Source] = ()) -> None:
        self._engine = engine
        opened: dict[Hashable, Table] = {}
        for source in sources:
            # Whoever asks for the table of a source that fails opens it again, and gets the error in its place.
            with suppress(HithertoError):
                if source.identity() not in opened:
                    opened[source.identity()] = source.open(engine)
        meant = meant_names(opened.values())
        self.spine = unused_name("spine", meant)
        used = {folded(self.spine)}
        self._named: dict[Hashable, Table] = {}
        for identity, table in opened.items():
            taken = used | meant
            if isinstance(table.data, CatalogTable):
                # A table of the catalog keeps its own name, by which plans and errors call it and which it is read by;
                # in a script of Spark's one with a schema is read through a view.
                others = (other for other in opened.values() if other is not table)
                taken = used if table.data.parts[1:] == () else used | meant_names(others)
            self._named[identity] = renamed(table, unused_name(table.name, taken))
            used.add(folded(self._named[identity].name))

    def __call__(self, source: Source) -> Table:
        """The table of a source. Raises what opening it raises."""
        if source.identity() not in self._named:
            self._named[source.identity()] = source.open(self._engine)
        return self._named[source.identity()]


def renamed(table: Table, name: str) -> Table:
    """The same table under another name."""
    return replace(table, name=name)
