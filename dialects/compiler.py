"""The SQL compiler: relations to statements of one dialect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlglot import exp

from ..planner.ir.logical import Relation, Scan, topological
from ..planner.room import with_room
from ..planner.types import DataType
from . import syntax as sql
from .base import Dialect
from .queries import check_query, names_in
from .statement import Statement
from .syntax import Sql


class SqlCompiler:
    """Compiles relations for one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect

    @property
    def session_settings(self) -> str:
        """Statements that a script has to begin with, for its answer to be the canonical one."""
        return "\n".join(f"{self.dialect.setting(name, value)};" for name, value in self.dialect.session.items())

    @with_room
    def definitions(self, relations: Iterable[Relation]) -> list[str]:
        """Statements that a script needs before it reads these relations' tables by name."""
        scans = (each for relation in relations for each in topological(relation) if isinstance(each, Scan))
        made = {scan.table.name: self.dialect.define_table(scan.table) for scan in scans}
        return [self.to_text(statement) for statement in made.values() if statement is not None]

    @with_room
    def compile(self, relation: Relation, order_by: str | None = None) -> exp.Select:
        """One statement for a relation; with ``order_by``, in that column's order and without the column."""
        return Statement(self.dialect, relation).select(order_by)

    def create_table(self, name: str, relation: Relation, *, is_lazy: bool = False) -> Sql:
        """A statement that fills a temporary table, with ``is_lazy`` when it is first read, where that can be said.

        Rows that are kept as they are already only get a name.
        """
        query = self.compile(relation)
        if self.dialect.is_kept(relation):
            return self.dialect.name_query(name, query)
        return self.dialect.create_table(name, query, is_lazy=is_lazy)

    def replace_table(self, name: str, query: exp.Query) -> list[Sql]:
        """Statements that fill a temporary table, also where there is one of the name."""
        return self.dialect.replace_table(name, query)

    def with_zones(self, query: exp.Select, types: Mapping[str, DataType]) -> exp.Select:
        """The query whose instants have their zones again: within a plan they have none, and are in UTC."""
        for item in query.expressions:
            type_ = self.dialect.zoned_type(types[item.alias_or_name])
            if type_:
                value = item.this if isinstance(item, exp.Alias) else item.copy()
                item.replace(sql.aliased(sql.cast(value, type_), item.alias_or_name))
        return query

    def quoted(self, name: str) -> str:
        """A name as the dialect writes it."""
        return sql.name(name).sql(self.dialect.name)

    def query(self, text: str, where: str) -> str:
        """A query of the user's own. Raises a DefinitionError where the text is anything else, or more than one."""
        return check_query(text, self.dialect.name, where)

    def names_in(self, text: str) -> frozenset[str]:
        """Every name that a text of the dialect can mean, as ``folded`` gives it."""
        return names_in(text, self.dialect.name)

    def drop_table(self, name: str) -> Sql:
        """A statement that drops a temporary table."""
        return self.dialect.drop_table(name)

    @with_room
    def count_query(self, relation: Relation) -> exp.Select:
        """One row with the number of rows of every CTE of the relation's statement."""
        statement = self.compile(relation)
        ctes = statement.args.get("with_")
        names = [cte.alias for cte in ctes.expressions] if ctes is not None else []
        statement.set("with_", None)
        counts: list[tuple[str, Sql]] = [
            (name, exp.Subquery(this=sql.select([("n", sql.function("count", exp.Star()))], sql.table(name))))
            for name in names
        ]
        whole = exp.Subquery(this=statement, alias=exp.TableAlias(this=sql.name("whole")))
        counts.append(("result", exp.Subquery(this=sql.select([("n", sql.function("count", exp.Star()))], whole))))
        query = sql.select(counts, None)
        if ctes is not None:
            query.set("with_", ctes)
        return query

    @with_room
    def to_text(self, statement: Sql) -> str:
        """Formatted SQL."""
        return statement.sql(dialect=self.dialect.name, pretty=True, copy=False, comments=False)
