"""Entities, and the interface of sources: what a view is about, and where its rows come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from ..calls import checked_call
from ..durations import Duration
from ..errors import Problems, shown
from ..ir.data import TableData
from ..ir.logical import Table
from ..types import Schema
from .checks import (
    Definition,
    check_column,
    check_distinct,
    check_duration,
    check_flag,
    check_name,
    check_names,
    check_text,
    check_texts,
    labels,
)


class Entity(Definition):
    """Something that features describe, identified by one or more key columns.

    ``join_keys`` defaults to the entity's own name; several keys make a composite key.

    >>> Entity("user", join_keys=["user_id"])
    Entity('user', join_keys=['user_id'])
    """

    name: str
    join_keys: tuple[str, ...]
    description: str

    @checked_call
    def __init__(self, name: str, join_keys: Sequence[str] | None = None, *, description: str = "") -> None:
        problems = Problems()
        where = f"entity {shown(name)}"
        check_name(where, name, problems)
        check_text(f"{where}: description", description, problems)
        problems.raise_if_any()
        keys = (name,) if join_keys is None else check_names(join_keys, f"{where}: join_keys", problems)
        problems.raise_if_any()
        if not keys:
            problems.add(f"{where}: join_keys is empty; leave it out to use the entity's own name")
        check_distinct(f"{where}: join_keys", keys, problems)
        problems.raise_if_any()
        super().__init__(name=name, join_keys=keys, description=description)

    def __repr__(self) -> str:
        return f"Entity({self.name!r}, join_keys={list(self.join_keys)}{labels(self.description)})"


class Catalog(Protocol):
    """What a source may ask of an engine."""

    def columns(self, data: TableData) -> Schema:
        """The columns of a table that only the engine can read. Raises a SourceError where there is none."""
        ...

    def opened(self, data: TableData) -> tuple[TableData, Schema]:
        """The same table or query with its ``meaning``, and its columns. Raises a SourceError where there is none."""
        ...

    def query(self, text: str) -> str:
        """A query in the engine's own SQL. Raises a DefinitionError where the text is anything else."""
        ...


class Source(Definition, ABC):
    """Where a view's rows come from. Subclass it to bring a source of your own: ``open`` and ``identity`` are enough.

    Rows with a null ``timestamp_field`` are never visible. ``created_timestamp_column`` and then ``sequence_columns``
    break ties between rows of equal keys and timestamp. ``field_mapping`` renames feature columns (source name to
    feature name). ``unique=True`` vouches that no two rows share keys and timestamp.
    """

    name: str
    timestamp_field: str
    created_timestamp_column: str | None
    sequence_columns: tuple[str, ...]
    field_mapping: Mapping[str, str]
    data_delay: int
    unique: bool

    @checked_call
    def __init__(
        self,
        name: str,
        *,
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        sequence_columns: Sequence[str] = (),
        field_mapping: Mapping[str, str] | None = None,
        data_delay: Duration = "0s",
        unique: bool = False,
        **fields: object,
    ) -> None:
        problems = Problems()
        where = f"source {shown(name)}"
        check_name(where, name, problems)
        mapping = check_texts(field_mapping, f"{where}: field_mapping", problems, "source columns and their new names")
        sequence = check_names(sequence_columns, f"{where}: sequence_columns", problems)
        check_column(f"{where}: timestamp_field", timestamp_field, problems)
        if created_timestamp_column is not None:
            check_column(f"{where}: created_timestamp_column", created_timestamp_column, problems)
        for column in (*mapping, *mapping.values()):
            check_column(f"{where}: field_mapping", column, problems)
        check_flag(f"{where}: unique", unique, problems)
        problems.raise_if_any()
        check_distinct(f"{where}: sequence_columns", sequence, problems)
        for role in (timestamp_field, created_timestamp_column, *sequence):
            if role in mapping:
                problems.add(
                    f"{where}: field_mapping renames {shown(role)}, but timestamps and sequence columns keep theirs"
                )
        check_distinct(f"{where}: field_mapping", tuple(mapping.values()), problems)
        delay = check_duration(where, "data_delay", data_delay, problems)
        if delay is None and not problems.found:
            problems.add(f"{where}: data_delay is None; give '0s' for none")
        problems.raise_if_any()
        super().__init__(
            name=name,
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            sequence_columns=sequence,
            field_mapping=MappingProxyType(mapping),
            data_delay=delay or 0,
            unique=unique,
            **fields,
        )

    @abstractmethod
    def open(self, catalog: Catalog | None = None) -> Table:
        """The source's columns and data as they are now: globs expanded, schema read, no row read.

        ``catalog`` is that of the engine that will read it, where there is one already. Raises a SourceError where the
        source is missing or its files differ.
        """

    @abstractmethod
    def identity(self) -> Hashable:
        """What makes two sources read the same data; sources of one identity share their scans."""

    def declared(self) -> Mapping[str, str | None]:
        """The parts of the source that belong to a view's definition, as a query's text, but not where the data is.

        Where one of them changes, what is stored of the view is no longer read.
        """
        return {}

    def known_schema(self) -> Schema | None:
        """The columns' types, where they are known without opening anything; None elsewhere."""
        return None
