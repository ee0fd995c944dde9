"""One statement: a relation as a SELECT over CTEs.

Neighbouring projections, filters and scans become one SELECT; everything else becomes a CTE that is named after
its label. Columns stay typed expressions over a block's FROM clause until the SELECT is written: nothing is copied.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from sqlglot import exp

from ..planner.expr.nodes import MOST_LEVELS, Column, Expr, Literal, columns_of, conjuncts
from ..planner.ir.columns import columns_wanted
from ..planner.ir.logical import (
    Aggregate,
    Filter,
    Join,
    Measure,
    NumberRows,
    Project,
    Relation,
    Scan,
    Union,
    Values,
    meant_names,
    nearest_label,
    topological,
)
from ..planner.ir.operators import AsofMatch, Carried, Explode, KeyedJoin, Materialize, Named, Window
from ..planner.ir.properties import is_cheap_to_repeat
from ..planner.types import Field, folded, short_label, unused_name
from . import syntax as sql
from .base import Dialect, Measured
from .block import Block, is_cheap, is_light, keeps_names
from .from_clause import joined
from .syntax import Sql


class Statement:
    """One statement: its CTEs so far, and which relations are CTEs already."""

    def __init__(self, dialect: Dialect, root: Relation) -> None:
        self.dialect = dialect
        self._root = root
        self._ctes: list[exp.CTE] = []
        relations = topological(root)
        tables = [scan.table for scan in relations if isinstance(scan, Scan)]
        self._names = {folded(table.name) for table in tables} | meant_names(tables)
        self._initials: dict[str, str] = {}
        self._done: dict[str, Block] = {}
        readers = Counter(child.fingerprint for relation in relations for child in relation.inputs)
        self._shared = {fingerprint for fingerprint, count in readers.items() if count > 1}
        self._wanted = columns_wanted(relations)

    def select(self, order_by: str | None) -> exp.Select:
        block = self.block(self._root)
        if block.listed and order_by is not None:
            block = self.wrapped(self._root, block)
        order = () if order_by is None else (exp.Ordered(this=self.sql(block, block.columns[order_by]), desc=False),)
        columns = [name for name in block.columns if name != order_by]
        statement = self.write(block, columns, order=order)
        if self._ctes and not order and _only_reads(statement, self._ctes[-1]):
            statement = self._ctes.pop().this
        if self._ctes:
            statement.set("with_", exp.With(expressions=self._ctes))
        return statement

    def block(self, relation: Relation) -> Block:
        """The relation as a block; one that is read more than once becomes a CTE."""
        if relation.fingerprint not in self._done:
            block = self._block(relation)
            is_step = isinstance(relation, Scan | Named | Carried)
            if relation.fingerprint in self._shared and not is_step and not is_light(block):
                block = self.wrapped(relation, block)
            self._done[relation.fingerprint] = block
        return self._done[relation.fingerprint]

    def _block(self, relation: Relation) -> Block:
        match relation:
            case Scan():
                return self._scan(relation)
            case Materialize() | Carried():
                return self.block(relation.input)
            case Named():
                return self._named(relation)
            case Project():
                return self._project(relation)
            case Filter():
                return self._filter(relation)
            case Values():
                return self._values(relation)
            case NumberRows():
                return self._number_rows(relation)
            case Aggregate():
                return self._aggregate(relation)
            case Join():
                return self._join(relation)
            case Union():
                return self._union(relation)
            case KeyedJoin() | AsofMatch():
                return joined(self, relation).block(relation)
            case Window():
                return self._window(relation)
            case Explode():
                return self._explode(relation)
            case _:
                raise TypeError(f"{type(relation).__name__} has no SQL")

    def _open(self, relation: Relation) -> Block:
        """The relation as a block whose columns can be computed with."""
        block = self.block(relation)
        return self.wrapped(relation, block) if block.listed else block

    def wrapped(self, relation: Relation, block: Block) -> Block:
        """The block as a CTE."""
        role = "rows"
        if isinstance(relation, Aggregate):
            role = "groups" if relation.measures else "keys"
        return self.cte(self.label(relation, role), relation, block)

    def wanted(self, relation: Relation, block: Block, columns: Iterable[tuple[str, Expr]]) -> list[tuple[str, Expr]]:
        """Those of a relation's columns that are read, or on which its rows depend."""
        read = self._wanted[relation.fingerprint]
        return [
            (name, expr)
            for name, expr in columns
            if name in read or (block.kept and isinstance(expr, Column) and expr.name in block.kept)
        ]

    def _named(self, node: Named) -> Block:
        """A CTE of that name, or the table that has just these columns."""
        wish = f"{short_label(node.label)}_{node.role}"
        if isinstance(node.input, Union) and not self.is_shared(node.input):
            made = self._union(node.input, wish)
        else:
            block = self.block(node.input)
            if block.table is not None and not block.where and keeps_names(block):
                return block
            made = self.cte(wish, node, block)
            if self.dialect.keeps_ctes and self.is_shared(node) and is_cheap_to_repeat(node.input):
                self._ctes[-1].set("materialized", False)
        self._initials[made.source().name] = node.role[0]
        return made

    def initial(self, table: str) -> str:
        """The letter by which a table or CTE goes in a FROM clause: its role's, or its own."""
        own = (letter.lower() for letter in table if letter.isascii() and letter.isalpha())
        return self._initials.get(table) or next(own, "t")

    def is_shared(self, relation: Relation) -> bool:
        """Whether a relation is read more than once, so that it is a CTE."""
        return relation.fingerprint in self._shared

    def _scan(self, scan: Scan) -> Block:
        dialect = self.dialect
        source = dialect.scan(scan)
        is_bare = _is_bare_table(source) and self._is_canonical(scan)
        return Block(
            source=lambda: dialect.scan(scan),
            joins=list,
            base=lambda name: dialect.scanned_column(scan, name),
            columns={field.name: Column(field.name, field.type) for field in scan.schema},
            where=() if scan.predicate is None else conjuncts(scan.predicate),
            predicate=lambda expr: dialect.scan_predicate(scan, expr),
            table=(source.name, frozenset(scan.table.schema.names)) if is_bare else None,
        )

    def _project(self, project: Project) -> Block:
        """In place, unless a computed column would be written more than once, or too deep in another."""
        block = self.block(project.input)
        columns = self.wanted(project, block, project.columns)
        if block.listed and not block.can_choose(columns):
            block = self.wrapped(project.input, block)
        costly = {name for name, expr in block.columns.items() if not is_cheap(expr)}
        reads = Counter(name for _, expr in columns if costly for name in columns_of(expr))
        projected = None if any(reads[name] > 1 for name in costly) else block.project(columns)
        if projected is None or any(expr.levels > MOST_LEVELS for expr in projected.columns.values()):
            block = self.cte(self.label(project.input), project.input, block)
            projected = block.project(columns)
        return projected

    def _filter(self, node: Filter) -> Block:
        """In place, unless the predicate would be nested deeper than engines can parse."""
        block = self._open(node.input)
        filtered = block.filter(node.predicate)
        if any(part.levels > MOST_LEVELS for part in filtered.where[len(block.where) :]):
            filtered = self.cte(self.label(node.input), node.input, block).filter(node.predicate)
        return filtered

    def _values(self, values: Values) -> Block:
        expressions = self.dialect.expressions
        selects = [
            sql.select(
                [
                    (field.name, expressions.literal(Literal(value, field.type)))
                    for field, value in zip(values.fields, row, strict=True)
                ],
                None,
            )
            for row in values.rows
        ]
        return self.add_cte("literal_rows", _union_all(selects), values.schema)

    def _number_rows(self, node: NumberRows) -> Block:
        block = self._open(node.input)
        position = self.dialect.row_number(node)
        columns = [(node.column, position), *((name, self.sql(block, expr)) for name, expr in block.columns.items())]
        return self.add_cte(node.label or "numbered_rows", self._select(block, columns), node.schema)

    def _aggregate(self, node: Aggregate) -> Block:
        block = self._open(node.input)
        measures = {each.name: each for each in node.measures}

        def value(name: str) -> Sql:
            if name in measures:
                return self.measure(block, measures[name])
            return self.sql(block, block.columns[name])

        grouped = self._listed(block, node, value)
        if not measures:
            return replace(grouped, distinct=True, kept=frozenset(node.schema.names))
        return replace(grouped, group=lambda: [self.sql(block, block.columns[key]) for key in node.keys])

    def _window(self, node: Window) -> Block:
        block = self._open(node.input)
        measures = {each.name: each for each in node.measures}

        def value(name: str) -> Sql:
            if name not in measures:
                return self.sql(block, block.columns[name])
            measure = measures[name]
            order = [self._ascending(block, expr) for expr in measure.order]
            partition = [self.sql(block, block.columns[key]) for key in node.partition]
            return sql.window(self.measure(block, replace(measure, order=())), partition, order, node.frame)

        return self._listed(block, node, value)

    def _ascending(self, block: Block, expr: Expr) -> exp.Ordered:
        value = self.sql(block, block.over_base(expr))
        return exp.Ordered(this=value, desc=False, nulls_first=True)

    def _explode(self, node: Explode) -> Block:
        block = self._open(node.input)

        def value(name: str) -> Sql:
            if name != node.column:
                return self.sql(block, block.columns[name])
            return self.dialect.explode([self.sql(block, block.over_base(each)) for each in node.values])

        return replace(self._listed(block, node, value), kept=frozenset({node.column}))

    def _listed(self, block: Block, node: Relation, value: Callable[[str], Sql]) -> Block:
        """The block with the columns of a node, whose values stand in its SELECT list alone."""
        columns = {field.name: Column(field.name, field.type) for field in node.schema}
        where = tuple(block.where)
        return replace(
            block, base=value, columns=columns, where=(), conditions=lambda: self._conditions(block, where),
            predicate=lambda _: None, table=None, listed=True,
        )  # fmt: skip

    def measure(self, block: Block, measure: Measure) -> Sql:
        """An aggregate over a block's rows."""

        def operand() -> Sql:
            assert measure.operand is not None
            return self.sql(block, block.over_base(measure.operand))

        def within() -> Sql | None:
            return None if measure.where is None else self.sql(block, block.over_base(measure.where))

        def order() -> list[Sql]:
            return [self.sql(block, block.over_base(expr)) for expr in measure.order]

        type_ = None if measure.operand is None else measure.operand.type
        return self.dialect.aggregate(
            measure.function, Measured(operand, type_, within, order, measure.parameter, self.dialect), measure.type
        )

    def _union(self, node: Union, wish: str | None = None) -> Block:
        read = [field for field in node.schema if field.name in self._wanted[node.fingerprint]]
        names = [field.name for field in read]
        selects = [self.write(block, names) for block in map(self._open, node.relations)]
        return self.add_cte(wish or self.label(node, "rows"), _union_all(selects), read)

    def _join(self, node: Join) -> Block:
        """All inputs by name, in one FROM clause, so that the columns are read straight from them."""
        tables = [self.named(child) for child in node.relations]
        aliases = [f"j{index}" for index in range(len(tables))] if _repeats(tables) else tables
        home: dict[str, str] = {}
        for child, alias in zip(node.relations, aliases, strict=True):
            for column in child.schema.names:
                home.setdefault(column, alias)

        def joins() -> list[exp.Join]:
            return [
                sql.join(
                    sql.table(table, alias if alias != table else None),
                    [exp.EQ(this=sql.column(key, aliases[0]), expression=sql.column(key, alias)) for key in node.on],
                    side="LEFT" if node.how == "left" else None,
                )
                for table, alias in zip(tables[1:], aliases[1:], strict=True)
            ]

        return Block(
            source=lambda: sql.table(tables[0], aliases[0] if aliases[0] != tables[0] else None),
            joins=joins,
            base=lambda name: sql.column(name, home[name]),
            columns={field.name: Column(field.name, field.type) for field in node.schema},
        )

    def sql(self, block: Block, expr: Expr) -> Sql:
        """An expression over a block's FROM clause."""
        return self.dialect.expressions.compile(expr, block.base)

    def write(self, block: Block, names: Sequence[str] | None = None, *, order: Sequence[Sql] = ()) -> exp.Select:
        """The block as a SELECT of the named columns, or all."""
        chosen = block.columns if names is None else names
        return self._select(block, [(name, self.sql(block, block.columns[name])) for name in chosen], order=order)

    def _select(self, block: Block, columns: Sequence[tuple[str, Sql]], *, order: Sequence[Sql] = ()) -> exp.Select:
        return sql.select(
            columns,
            block.source(),
            joins=block.joins(),
            where=self._conditions(block, block.where) if not block.listed else block.conditions(),
            group=block.group(),
            order=order,
            distinct=block.distinct,
        )

    def _conditions(self, block: Block, where: Sequence[Expr]) -> Sql | None:
        return sql.all_of(block.predicate(part) or self.sql(block, part) for part in where)

    def named(self, relation: Relation) -> str:
        """The name of a table or CTE with the relation's rows and exactly its columns."""
        block = self.block(relation)
        if block.table is not None and not block.where and keeps_names(block):
            return block.table[0]
        made = self.cte(self.label(relation, "rows"), relation, block)
        self._done[relation.fingerprint] = made
        return made.source().name

    def _is_canonical(self, scan: Scan) -> bool:
        """Whether the table's columns can be read as they are."""
        return all(isinstance(self.dialect.scanned_column(scan, name), exp.Column) for name in scan.columns)

    def cte(self, wish: str, relation: Relation, block: Block) -> Block:
        """A relation's block as a CTE, with the columns that are read."""
        columns = self.wanted(relation, block, block.columns.items())
        query = self.write(block, [name for name, _ in columns])
        return self.add_cte(wish, query, [Field(name, expr.type) for name, expr in columns])

    def add_cte(self, wish: str, query: exp.Query, fields: Iterable[Field]) -> Block:
        """The query as a CTE under an unused name, and a block that reads it."""
        made = unused_name(wish, self._names)
        self._names.add(folded(made))
        self._ctes.append(exp.CTE(this=query, alias=exp.TableAlias(this=sql.name(made))))
        columns = {field.name: Column(field.name, field.type) for field in fields}
        return Block(lambda: sql.table(made), list, sql.column, columns, table=(made, frozenset(columns)))

    def label(self, relation: Relation, role: str = "rows") -> str:
        """A readable name: the node's own label or the nearest one below, and what the CTE holds."""
        short = short_label(nearest_label(relation) or "query")
        return f"{short}_{role}" if role else short


def _only_reads(statement: exp.Select, cte: exp.CTE) -> bool:
    """Whether the statement is all columns of the CTE in their order, and nothing else."""
    source = statement.args["from_"].this if statement.args.get("from_") is not None else None
    if not isinstance(cte.this, exp.Select) or not isinstance(source, exp.Table) or source.name != cte.alias:
        return False
    if source.alias or any(statement.args.get(clause) for clause in ("joins", "where", "group", "distinct")):
        return False
    plain = all(isinstance(item, exp.Column) for item in statement.expressions)
    return plain and [item.name for item in statement.expressions] == [
        item.alias_or_name for item in cte.this.expressions
    ]


def _union_all(selects: Sequence[exp.Select]) -> exp.Query:
    result: exp.Query = selects[0]
    for each in selects[1:]:
        result = exp.Union(this=result, expression=each, distinct=False)
    return result


def _is_bare_table(source: Sql) -> bool:
    return isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier)


def _repeats(names: Sequence[str]) -> bool:
    return len(set(names)) != len(names)
