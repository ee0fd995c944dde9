"""The SQL compiler: a relation to one statement.

Neighbouring projections, filters and scans become one SELECT; everything else becomes a CTE that is named after its
view. Columns are kept as typed expressions over a block's FROM clause until the SELECT is written, so nothing is copied.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from ..planner.expr.nodes import Column, Expr, Literal, columns_of, conjuncts, replace_columns
from ..planner.ir.logical import (
    Aggregate,
    Filter,
    Join,
    NumberRows,
    Pick,
    Project,
    Relation,
    Scan,
    Union,
    Values,
    WindowedAggregate,
    topological,
)
from ..planner.ir.physical import BucketedRangeJoinAggregate, Materialize, NarrowAsofThenFetch
from . import syntax as sql
from .expressions import ExpressionCompiler, Operand
from .syntax import Sql


@dataclass(frozen=True)
class Block:
    """A SELECT in the making: a FROM clause, what its columns are called, and expressions and predicates over them."""

    source: Callable[[], Sql]
    joins: Callable[[], Sequence[exp.Join]]
    base: Callable[[str], Sql]
    columns: Mapping[str, Expr]
    where: tuple[Expr, ...] = ()
    predicate: Callable[[Expr], Sql | None] = lambda _: None

    def project(self, columns: Sequence[tuple[str, Expr]]) -> Block:
        """The block with other columns, in place of the ones they are computed from."""
        return Block(
            self.source,
            self.joins,
            self.base,
            {name: self.over_base(expr) for name, expr in columns},
            self.where,
            self.predicate,
        )

    def filter(self, predicate: Expr) -> Block:
        """The block with one more predicate."""
        more = tuple(self.over_base(part) for part in conjuncts(predicate))
        return Block(self.source, self.joins, self.base, self.columns, (*self.where, *more), self.predicate)

    def over_base(self, expr: Expr) -> Expr:
        """An expression over the block's columns, as one over its FROM clause."""
        return replace_columns(expr, lambda column: self.columns[column.name])


class SqlCompiler(ABC):
    """Compiles relations for one dialect. Subclasses give the expressions and what the engine spells in its own way."""

    dialect: str
    expressions: ExpressionCompiler
    session_settings: str
    """Statements that a script has to begin with, for its answer to be the canonical one."""

    def compile(self, relation: Relation, order_by: str | None = None) -> exp.Select:
        """One statement for a relation; with ``order_by``, in that column's order and without the column."""
        return _Statement(self, relation).select(order_by)

    def create_table(self, name: str, query: exp.Query) -> Sql:
        """A statement that fills a temporary table."""
        temporary = exp.Properties(expressions=[exp.TemporaryProperty()])
        return exp.Create(this=sql.table(name), kind="TABLE", expression=query, properties=temporary)

    def drop_table(self, name: str) -> Sql:
        """A statement that drops a temporary table."""
        return exp.Drop(tables=[sql.table(name)], kind="TABLE", exists=True)

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

    def to_text(self, statement: Sql) -> str:
        """Formatted SQL."""
        return statement.sql(dialect=self.dialect, pretty=True, copy=False, comments=False)

    @abstractmethod
    def scan(self, scan: Scan) -> Sql:
        """The FROM item of a table."""

    @abstractmethod
    def scanned_column(self, scan: Scan, column: str) -> Sql:
        """A column of a table; a timestamp in UTC without zone, whatever the table has."""

    @abstractmethod
    def scan_predicate(self, scan: Scan, predicate: Expr) -> Sql | None:
        """A form of a predicate that the engine can use to skip files and row groups, or None for the usual one."""

    @abstractmethod
    def sort_key(self, columns: Sequence[Sql]) -> Sql:
        """One value that orders as the columns do in turn: null lowest, NaN highest, strings by bytes."""

    @abstractmethod
    def greatest_row(self, fields: Sequence[tuple[str, Sql]], key: Sql | None) -> Sql:
        """Aggregate: the fields, as a struct, of the row with the greatest key; of any row without one."""

    @abstractmethod
    def struct_field(self, struct: Sql, field: str) -> Sql:
        """A field of a struct."""

    @abstractmethod
    def unnest(self, values: Sequence[Sql]) -> Sql:
        """One row for each value."""

    @abstractmethod
    def windowed(self, aggregate: WindowedAggregate, operand: Operand | None, within: Operand, key: Operand) -> Sql:
        """An aggregate over the rows that are ``within``; ``key`` orders them."""

    @abstractmethod
    def measure(self, function: str, operand: Sql | None) -> Sql:
        """A plain aggregate of a group."""


class _Statement:
    """One statement: its CTEs so far, and which relations are CTEs already."""

    def __init__(self, compiler: SqlCompiler, root: Relation) -> None:
        self.compiler = compiler
        self._root = root
        self._ctes: list[exp.CTE] = []
        self._names: set[str] = set()
        self._done: dict[str, Block] = {}
        readers = Counter(child.fingerprint for relation in topological(root) for child in relation.inputs)
        self._shared = {fingerprint for fingerprint, count in readers.items() if count > 1}

    def select(self, order_by: str | None) -> exp.Select:
        block = self.block(self._root)
        order = () if order_by is None else (exp.Ordered(this=self.sql(block, block.columns[order_by])),)
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
                block = self.cte(self._label(relation), self.write(block), block)
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
            case NarrowAsofThenFetch():
                return self._narrow_asof(relation)
            case BucketedRangeJoinAggregate():
                return self._bucketed_range_join(relation)
            case _:
                raise TypeError(f"{type(relation).__name__} has no SQL; a rule has to choose its physical form")

    def _scan(self, scan: Scan) -> Block:
        compiler = self.compiler
        return Block(
            source=lambda: compiler.scan(scan),
            joins=list,
            base=lambda name: compiler.scanned_column(scan, name),
            columns={field.name: Column(field.name, field.type) for field in scan.schema},
            where=() if scan.predicate is None else conjuncts(scan.predicate),
            predicate=lambda expr: compiler.scan_predicate(scan, expr),
        )

    def _project(self, project: Project) -> Block:
        """In place, unless a computed column would be written more than once."""
        block = self.block(project.input)
        reads = Counter(name for _, expr in project.columns for name in columns_of(expr))
        if any(reads[name] > 1 and not isinstance(block.columns[name], Column | Literal) for name in reads):
            block = self.cte(self._label(project.input), self.write(block), block)
        return block.project(project.columns)

    def _values(self, values: Values) -> Block:
        expressions = self.compiler.expressions
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
        position = sql.binary(exp.Sub, exp.Window(this=exp.RowNumber()), sql.number(1))
        columns = [(node.column, position), *((name, self.sql(block, expr)) for name, expr in block.columns.items())]
        return self.cte(node.label or "numbered_rows", self._select(block, columns), node)

    def _aggregate(self, node: Aggregate) -> Block:
        block = self.block(node.input)
        keys = [(key, self.sql(block, block.columns[key])) for key in node.keys]
        measures: list[tuple[str, Sql]] = []
        for measure in node.measures:
            operand = None if measure.operand is None else self.sql(block, block.over_base(measure.operand))
            measures.append((measure.name, self.compiler.measure(measure.function, operand)))
        if not measures:
            return self.cte(self._label(node, "keys"), self._select(block, keys, distinct=True), node)
        group = [self.sql(block, block.columns[key]) for key in node.keys]
        return self.cte(self._label(node, "groups"), self._select(block, [*keys, *measures], group=group), node)

    def _union(self, node: Union) -> Block:
        selects = [self.write(block, list(node.schema.names)) for block in map(self.block, node.relations)]
        return self.cte(self._label(node, "rows"), _union_all(selects), node)

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

    def _narrow_asof(self, node: NarrowAsofThenFetch) -> Block:
        """Match on keys and time; for each pick the winner among the matched keys and times; both put together."""
        label = self._label(node, "")
        spine = self.named(node.spine)
        events = self.named(node.events, f"{label}_events")
        ts, matched = node.event_time, _free(f"matched_{node.event_time}", node.schema.names)
        upper = node.picks[0].interval.upper
        keys = [exp.EQ(this=sql.column(left, "s"), expression=sql.column(right, "e")) for left, right in node.keys]
        later = exp.GT(this=self.over(upper, "s"), expression=sql.column(ts, "e"))
        spine_columns = [(column, sql.column(column, "s")) for column in node.spine.schema.names]
        narrow = sql.select(
            [(column, sql.column(column)) for column in (*(r for _, r in node.keys), ts)], sql.table(events)
        )
        match = sql.select(
            [*spine_columns, (matched, sql.column(ts, "e"))],
            sql.table(spine, "s"),
            joins=[
                sql.join(exp.Subquery(this=narrow, alias=exp.TableAlias(this=sql.name("e"))), [*keys, later],
                         side="LEFT", method="ASOF")
            ],
        )  # fmt: skip
        match_name = self.add_cte(f"{label}_match", match)
        winners = [self._winner(node, pick, events, match_name, matched) for pick in node.picks]
        return self._fetch(node, match_name, matched, winners)

    def _winner(self, node: NarrowAsofThenFetch, pick: Pick, events: str, match: str, matched: str) -> str:
        """CTE: of the events at a matched (keys, time), the features of the greatest in the pick's order."""
        by = [*(right for _, right in node.keys), node.event_time]
        on_match = [*(left for left, _ in node.keys), matched]
        wanted = sql.select(
            [(event, sql.column(spine)) for event, spine in zip(by, on_match, strict=True)],
            sql.table(match),
            where=exp.Is(this=sql.column(matched), expression=exp.Not(this=exp.Null())),
            distinct=True,
        )
        fields = [(name, self.feature(node, column)) for name, column in pick.features]
        order = [sql.column(column, "e") for column in pick.order]
        key = self.compiler.sort_key(order) if order and not pick.unique else None
        latest = sql.select(
            [
                *((column, sql.column(column, "e")) for column in by),
                ("winner", self.compiler.greatest_row(fields, key)),
            ],
            sql.table(events, "e"),
            joins=[
                sql.join(
                    exp.Subquery(this=wanted, alias=exp.TableAlias(this=sql.name("m"))),
                    [exp.EQ(this=sql.column(column, "e"), expression=sql.column(column, "m")) for column in by],
                )
            ],
            group=[sql.column(column, "e") for column in by],
        )
        return self.add_cte(f"{pick.label or 'view'}_latest", latest)

    def feature(self, node: NarrowAsofThenFetch, column: str) -> Sql:
        """An event column as a feature."""
        return sql.column(column, "e")

    def _fetch(self, node: NarrowAsofThenFetch, match: str, matched: str, winners: list[str]) -> Block:
        """Each spine row with the winners of its match, which count only within their own interval."""
        aliases = [f"w{index}" if len(winners) > 1 else "w" for index in range(len(winners))]
        home = {name: alias for pick, alias in zip(node.picks, aliases, strict=True) for name, _ in pick.features}

        def joins() -> list[exp.Join]:
            made: list[exp.Join] = []
            for pick, winner, alias in zip(node.picks, winners, aliases, strict=True):
                on: list[Sql] = [
                    exp.EQ(this=sql.column(left, "m"), expression=sql.column(right, alias)) for left, right in node.keys
                ]
                on.append(exp.EQ(this=sql.column(matched, "m"), expression=sql.column(node.event_time, alias)))
                if pick.interval.lower is not None:
                    lower = self.over(pick.interval.lower, "m")
                    on.append(exp.GTE(this=sql.column(matched, "m"), expression=lower))
                made.append(sql.join(sql.table(winner, alias), on, side="LEFT"))
            return made

        def base(name: str) -> Sql:
            if name in home:
                return self.compiler.struct_field(sql.column("winner", home[name]), name)
            return sql.column(name, "m")

        columns = {field.name: Column(field.name, field.type) for field in node.schema}
        return Block(source=lambda: sql.table(match, "m"), joins=joins, base=base, columns=columns)

    def _bucketed_range_join(self, node: BucketedRangeJoinAggregate) -> Block:
        """Spine rows with the buckets of their windows, joined to events, grouped by row; then every spine row."""
        label = self._label(node, "")
        spine = self.named(node.spine)
        events = self.named(node.events, f"{label}_events")
        ts = node.event_time
        on: list[Sql] = [
            exp.EQ(this=sql.column(left, "s"), expression=sql.column(right, "e")) for left, right in node.keys
        ]
        probe = spine
        if node.bucket is not None:
            probe, bucket = self._probe(node, spine, label)
            on.append(
                exp.EQ(this=sql.column(bucket, "s"), expression=_bucket(lambda: sql.column(ts, "e"), node.bucket))
            )
            earliest = node.latest - node.bucket
            on.append(exp.GTE(this=sql.column(ts, "e"), expression=_shifted(node.time, earliest)))
        on.append(exp.LT(this=sql.column(ts, "e"), expression=_shifted(node.time, node.latest)))
        aggregates = [(each.name, self._windowed(node, each)) for each in node.aggregates]
        windows = sql.select(
            [(node.row, sql.column(node.row, "s")), *aggregates],
            sql.table(probe, "s"),
            joins=[sql.join(sql.table(events, "e"), on)],
            group=[sql.column(node.row, "s")],
        )
        name = self.add_cte(f"{label}_windows", windows)
        return self._every_row(node, spine, name)

    def _probe(self, node: BucketedRangeJoinAggregate, spine: str, label: str) -> tuple[str, str]:
        """CTE: each spine row twice, with the two buckets that can hold its events."""
        assert node.bucket is not None
        bucket = _free("bucket", (*node.spine.schema.names, *node.events.schema.names))
        last = node.latest - 1

        def newest() -> Sql:
            return _bucket(lambda: _shifted(node.time, last, None), node.bucket or 1)

        both = self.compiler.unnest([newest(), sql.binary(exp.Sub, newest(), sql.number(1))])
        columns = [(column, sql.column(column)) for column in node.spine.schema.names]
        return self.add_cte(f"{label}_probe", sql.select([*columns, (bucket, both)], sql.table(spine))), bucket

    def _windowed(self, node: BucketedRangeJoinAggregate, aggregate: WindowedAggregate) -> Sql:
        interval = aggregate.interval

        def within() -> Sql:
            ts = node.event_time
            parts: list[Sql] = []
            if interval.lower is not None:
                parts.append(exp.GTE(this=sql.column(ts, "e"), expression=self.over(interval.lower, "s")))
            parts.append(exp.LT(this=sql.column(ts, "e"), expression=self.over(interval.upper, "s")))
            if aggregate.where is not None:
                parts.append(_in_and(self.over(aggregate.where, "e")))
            condition = sql.all_of(parts)
            assert condition is not None
            return condition

        def key() -> Sql:
            columns = (*aggregate.order, *((aggregate.operand,) if aggregate.operand is not None else ()))
            return self.compiler.sort_key([sql.column(column, "e") for column in columns])

        column = aggregate.operand
        operand = None if column is None else lambda: sql.column(column, "e")
        return self.compiler.windowed(aggregate, operand, within, key)

    def _every_row(self, node: BucketedRangeJoinAggregate, spine: str, windows: str) -> Block:
        """The spine with its aggregates; a row without events has none in ``windows``, and gets the empty values."""
        from ..planner.expr.aggregates import AGGREGATES

        empty = {each.name: AGGREGATES[each.function].empty for each in node.aggregates}

        def base(name: str) -> Sql:
            if name not in empty:
                return sql.column(name, "s")
            value = sql.column(name, "a")
            default = empty[name]
            return value if default is None else sql.function("coalesce", value, sql.number(default))

        def joins() -> list[exp.Join]:
            on = exp.EQ(this=sql.column(node.row, "s"), expression=sql.column(node.row, "a"))
            return [sql.join(sql.table(windows, "a"), [on], side="LEFT")]

        columns = {field.name: Column(field.name, field.type) for field in node.schema}
        return Block(source=lambda: sql.table(spine, "s"), joins=joins, base=base, columns=columns)

    def over(self, expr: Expr, table: str) -> Sql:
        """An expression over a table's columns."""
        return self.compiler.expressions.compile(expr, lambda name: sql.column(name, table))

    def sql(self, block: Block, expr: Expr) -> Sql:
        """An expression over a block's FROM clause."""
        return self.compiler.expressions.compile(expr, block.base)

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
        made = self.cte(wish or self._label(relation, "rows"), self.write(block), block)
        self._done[relation.fingerprint] = made
        return made.source().name

    def _is_canonical(self, scan: Scan) -> bool:
        """Whether the table's columns can be read as they are."""
        return all(isinstance(self.compiler.scanned_column(scan, name), exp.Column) for name in scan.columns)

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
        label = _free(wish, tuple(self._names | {name.lower() for name in self._tables()}))
        self._names.add(label.lower())
        self._ctes.append(exp.CTE(this=query, alias=exp.TableAlias(this=sql.name(label))))
        return label

    def _tables(self) -> set[str]:
        return {relation.table.name for relation in topological(self._root) if isinstance(relation, Scan)}

    def _label(self, relation: Relation, role: str = "rows") -> str:
        """A readable name: the node's own label or the nearest one below, and what the CTE holds."""
        found = _nearest_label(relation) or "query"
        parts = found.split("+")
        short = "_".join(parts) if len(found) <= 40 else f"{parts[0]}_and_{len(parts) - 1}_more"
        return f"{short}_{role}" if role else short


def _nearest_label(relation: Relation) -> str:
    if isinstance(relation, Scan):
        return relation.table.name
    label: str = getattr(relation, "label", "")
    return label or next((found for child in relation.inputs if (found := _nearest_label(child))), "")


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


def _bucket(value: Operand, width: int) -> Sql:
    """Number of the bucket. Truncation instead of floor before 1970 makes one bucket of two, on both sides alike."""
    return sql.binary(exp.IntDiv, value(), sql.number(width))


def _shifted(time: str, micros: int, table: str | None = "s") -> Sql:
    t = sql.column(time, table)
    if micros == 0:
        return t
    kind: type[exp.Binary] = exp.Add if micros > 0 else exp.Sub
    return kind(this=t, expression=sql.number(abs(micros)))


def _in_and(condition: Sql) -> Sql:
    return exp.Paren(this=condition) if isinstance(condition, exp.Connector) else condition


def _is_bare_table(source: Sql) -> bool:
    return isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier)


def _repeats(names: Sequence[str]) -> bool:
    return len(set(names)) != len(names)


def _free(wish: str, taken: Sequence[str]) -> str:
    folded = {name.lower() for name in taken}
    number, free = 1, wish
    while free.lower() in folded:
        number, free = number + 1, f"{wish}_{number + 1}"
    return free
