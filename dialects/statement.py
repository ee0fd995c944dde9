"""One statement: a relation as a SELECT over CTEs.

Neighbouring projections, filters and scans become one SELECT; everything else becomes a CTE that is named after
its view. Columns stay typed expressions over a block's FROM clause until the SELECT is written: nothing is copied.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlglot import exp

from ..planner.expr.nodes import Column, Expr, Literal, columns_of, conjuncts
from ..planner.ir.logical import (
    Aggregate,
    Filter,
    Join,
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
from ..planner.ir.physical import Materialize
from ..planner.types import folded, short_label, unused_name
from . import syntax as sql
from .base import Dialect
from .block import Block
from .syntax import Sql


class Statement:
    """One statement: its CTEs so far, and which relations are CTEs already."""

    def __init__(self, dialect: Dialect, root: Relation) -> None:
        self.dialect = dialect
        self._root = root
        self._ctes: list[exp.CTE] = []
        tables = [scan.table for scan in topological(root) if isinstance(scan, Scan)]
        self._names = {folded(table.name) for table in tables} | meant_names(tables)
        self._done: dict[str, Block] = {}
        readers = Counter(child.fingerprint for relation in topological(root) for child in relation.inputs)
        self._shared = {fingerprint for fingerprint, count in readers.items() if count > 1}

    def select(self, order_by: str | None) -> exp.Select:
        block = self.block(self._root)
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
            if relation.fingerprint in self._shared and not isinstance(relation, Scan):
                block = self.cte(self.label(relation), self.write(block), block)
            self._done[relation.fingerprint] = block
        return self._done[relation.fingerprint]

    def _block(self, relation: Relation) -> Block:
        match relation:
            case Scan():
                return self._scan(relation)
            case Materialize():
                return self.block(relation.input)
            case Project():
                return self._project(relation)
            case Filter():
                return self.block(relation.input).filter(relation.predicate)
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
            case _ if type(relation) in self.dialect.forms:
                return self.dialect.forms[type(relation)](self, relation)
            case _:
                raise TypeError(f"{type(relation).__name__} has no SQL; a rule has to choose its physical form")

    def _scan(self, scan: Scan) -> Block:
        dialect = self.dialect
        return Block(
            source=lambda: dialect.scan(scan),
            joins=list,
            base=lambda name: dialect.scanned_column(scan, name),
            columns={field.name: Column(field.name, field.type) for field in scan.schema},
            where=() if scan.predicate is None else conjuncts(scan.predicate),
            predicate=lambda expr: dialect.scan_predicate(scan, expr),
        )

    def _project(self, project: Project) -> Block:
        """In place, unless a computed column would be written more than once."""
        block = self.block(project.input)
        reads = Counter(name for _, expr in project.columns for name in columns_of(expr))
        if any(reads[name] > 1 and not isinstance(block.columns[name], Column | Literal) for name in reads):
            block = self.cte(self.label(project.input), self.write(block), block)
        return block.project(project.columns)

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
        return self.cte("literal_rows", _union_all(selects), values)

    def _number_rows(self, node: NumberRows) -> Block:
        block = self.block(node.input)
        position = self.dialect.row_number(node)
        columns = [(node.column, position), *((name, self.sql(block, expr)) for name, expr in block.columns.items())]
        return self.cte(node.label or "numbered_rows", self._select(block, columns), node)

    def _aggregate(self, node: Aggregate) -> Block:
        block = self.block(node.input)
        keys = [(key, self.sql(block, block.columns[key])) for key in node.keys]
        measures: list[tuple[str, Sql]] = []
        for measure in node.measures:
            operand = None if measure.operand is None else self.sql(block, block.over_base(measure.operand))
            measures.append((measure.name, self.dialect.measure(measure.function, operand)))
        if not measures:
            return self.cte(self.label(node, "keys"), self._select(block, keys, distinct=True), node)
        group = [self.sql(block, block.columns[key]) for key in node.keys]
        return self.cte(self.label(node, "groups"), self._select(block, [*keys, *measures], group=group), node)

    def _union(self, node: Union) -> Block:
        selects = [self.write(block, list(node.schema.names)) for block in map(self.block, node.relations)]
        return self.cte(self.label(node, "rows"), _union_all(selects), node)

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

    def over(self, expr: Expr, table: str) -> Sql:
        """An expression over a table's columns."""
        return self.dialect.expressions.compile(expr, lambda name: sql.column(name, table))

    def sql(self, block: Block, expr: Expr) -> Sql:
        """An expression over a block's FROM clause."""
        return self.dialect.expressions.compile(expr, block.base)

    def write(self, block: Block, names: Sequence[str] | None = None, *, order: Sequence[Sql] = ()) -> exp.Select:
        """The block as a SELECT of the named columns, or all."""
        chosen = block.columns if names is None else names
        return self._select(block, [(name, self.sql(block, block.columns[name])) for name in chosen], order=order)

    def _select(
        self,
        block: Block,
        columns: Sequence[tuple[str, Sql]],
        *,
        group: Sequence[Sql] = (),
        order: Sequence[Sql] = (),
        distinct: bool = False,
    ) -> exp.Select:
        where = sql.all_of(block.predicate(part) or self.sql(block, part) for part in block.where)
        joins = block.joins()
        return sql.select(
            columns, block.source(), joins=joins, where=where, group=group, order=order, distinct=distinct
        )

    def named(self, relation: Relation, wish: str | None = None) -> str:
        """The name of a table or CTE with the relation's rows and exactly its columns."""
        block = self.block(relation)
        source = block.source()
        plain = all(isinstance(expr, Column) and expr.name == name for name, expr in block.columns.items())
        if (
            plain
            and not block.where
            and not block.joins()
            and _is_bare_table(source)
            and not isinstance(relation, Scan)
        ):
            return source.name
        if isinstance(relation, Scan) and _is_bare_table(source) and not block.where and self._is_canonical(relation):
            return source.name
        made = self.cte(wish or self.label(relation, "rows"), self.write(block), block)
        self._done[relation.fingerprint] = made
        return made.source().name

    def _is_canonical(self, scan: Scan) -> bool:
        """Whether the table's columns can be read as they are."""
        return all(isinstance(self.dialect.scanned_column(scan, name), exp.Column) for name in scan.columns)

    def cte(self, wish: str, query: exp.Query, columns: Block | Relation) -> Block:
        """The query as a CTE, and a block that reads it."""
        made = self.add_cte(wish, query)
        if isinstance(columns, Relation):
            fields = {field.name: field.type for field in columns.schema}
        else:
            fields = {name: expr.type for name, expr in columns.columns.items()}
        return Block(
            source=lambda: sql.table(made),
            joins=list,
            base=sql.column,
            columns={name: Column(name, type_) for name, type_ in fields.items()},
        )

    def add_cte(self, wish: str, query: exp.Query) -> str:
        """Add a CTE under a free name."""
        label = unused_name(wish, self._names)
        self._names.add(folded(label))
        self._ctes.append(exp.CTE(this=query, alias=exp.TableAlias(this=sql.name(label))))
        return label

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
