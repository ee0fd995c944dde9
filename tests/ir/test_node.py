"""Nodes: equality is content, computed once."""

from __future__ import annotations

import dataclasses

import pyarrow as pa
import pytest
from hitherto.planner.expr.nodes import Call, Cast, Column, Expr, Literal
from hitherto.planner.ir.data import ArrowData, EngineTable
from hitherto.planner.ir.logical import Filter, Join, NumberRows, Project, Relation, Scan, Table
from hitherto.planner.ir.operators import Materialize
from hitherto.planner.node import digest
from hitherto.planner.types import BOOL, FLOAT64, INT64, STRING, DataType, Field, Schema

KV = Schema([Field("k", INT64), Field("v", INT64)])


def kv_table(token: str = "token", name: str = "kv", schema: Schema = KV) -> Table:
    return Table(token, schema, EngineTable("kv"), name=name)


def kv_scan(token: str = "token") -> Scan:
    return Scan(kv_table(token), ("k", "v"))


def test_equal_content_is_equal() -> None:
    assert kv_scan() == kv_scan()
    assert kv_scan().fingerprint == kv_scan().fingerprint
    assert hash(kv_scan()) == hash(kv_scan())


def test_a_fingerprint_has_32_hexadecimal_digits() -> None:
    assert len(kv_scan().fingerprint) == 32
    assert int(kv_scan().fingerprint, 16)


def test_a_label_does_not_count() -> None:
    assert NumberRows(kv_scan(), "row", label="a") == NumberRows(kv_scan(), "row", label="b")
    assert Materialize(kv_scan(), name="a") == Materialize(kv_scan(), name="b")
    assert kv_table(name="a") == kv_table(name="b")


def test_the_data_of_a_table_counts_by_its_token_alone() -> None:
    rows = pa.table({"k": [1], "v": [2]})
    assert Table("token", KV, ArrowData(rows), name="kv") == kv_table()
    assert kv_table("token") != kv_table("other")


def test_the_schema_of_a_table_counts() -> None:
    assert kv_table(schema=Schema([Field("k", INT64), Field("v", FLOAT64)])) != kv_table()


@pytest.mark.parametrize("other", [1.0, True, "1", None, b"1"])
def test_the_type_of_a_literal_value_counts(other: float | str | bytes | None) -> None:
    assert Literal(other, INT64) != Literal(1, INT64)


def test_zeros_of_both_signs_are_two_literals() -> None:
    assert Literal(0.0, FLOAT64) != Literal(-0.0, FLOAT64)


def test_nan_is_equal_to_itself() -> None:
    assert Literal(float("nan"), FLOAT64) == Literal(float("nan"), FLOAT64)


def test_the_type_of_a_node_counts() -> None:
    assert Literal(1, INT64) != Literal(1, DataType("int32"))
    assert Column("k", INT64) != Column("k", STRING)
    assert Cast(Column("k", INT64), FLOAT64) != Cast(Column("k", INT64), STRING)


def test_nodes_of_two_classes_are_never_equal() -> None:
    predicate = Column("flag", BOOL)
    assert Filter(kv_scan(), predicate) != Project(kv_scan(), (("flag", predicate),))


def test_a_node_is_not_equal_to_another_value() -> None:
    assert kv_scan() != kv_scan().fingerprint
    assert Column("k", INT64) != "k"


def test_the_order_of_inputs_counts() -> None:
    a, b = Scan(kv_table("a"), ("k",)), Scan(kv_table("b"), ("k",))
    assert Join((a, b), ("k",)) != Join((b, a), ("k",))


def test_arguments_and_their_nesting_count() -> None:
    a, b, c = (Column(name, BOOL) for name in "abc")
    flat = Call("and", (a, b, c), BOOL)
    assert flat != Call("and", (Call("and", (a, b), BOOL), c), BOOL)
    assert flat != Call("or", (a, b, c), BOOL)


def test_texts_are_not_run_together() -> None:
    scans = [Scan(kv_table(), names) for names in (("k", "v"), ("kv",), ("k,v",), ("k", "v", ""))]
    assert len({scan.fingerprint for scan in scans}) == len(scans)


def test_a_text_that_looks_like_two_is_not_two() -> None:
    assert digest("a", "b") != digest("ab")
    assert digest(("a",), "b") != digest(("a", "b"))
    assert digest("v6:str='a'") != digest("a")


def test_equal_nodes_are_one_key_of_a_dictionary() -> None:
    assert len({kv_scan(): 1, kv_scan(): 2}) == 1


def test_nodes_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        kv_scan().columns = ("k",)  # type: ignore[misc]


def test_a_schema_is_derived_once() -> None:
    relation = Project(kv_scan(), (("k", Column("k", INT64)),))
    assert relation.schema is relation.schema


def test_sixty_joins_of_a_plan_with_itself_are_hashed_once_each() -> None:
    relation: Relation = kv_scan()
    for number in range(60):
        column = (("k", Column("k", INT64)), (f"v{number}", Column("k", INT64)))
        relation = Join((Project(relation, (column[0],)), Project(relation, column)), ("k",))
    assert relation.fingerprint
    assert relation.schema.names == ("k", "v59")


def test_sixty_sums_of_an_expression_with_itself_are_hashed_once_each() -> None:
    expr: Expr = Column("v", INT64)
    for _ in range(60):
        expr = Call("add", (expr, expr), INT64)
    assert expr.fingerprint


def test_with_inputs_gives_the_node_itself_for_the_same_inputs() -> None:
    relation = Filter(kv_scan(), Literal(True, BOOL))
    assert relation.with_inputs(*relation.inputs) is relation


def test_with_inputs_keeps_everything_but_the_inputs() -> None:
    numbered = NumberRows(kv_scan("a"), "row", label="rows").with_inputs(kv_scan("b"))
    assert numbered == NumberRows(kv_scan("b"), "row")
    assert numbered.label == "rows"


def test_with_inputs_wants_as_many_as_there_are() -> None:
    with pytest.raises(ValueError, match="inputs, not"):
        Filter(kv_scan(), Literal(True, BOOL)).with_inputs(kv_scan(), kv_scan())


def test_a_repeated_column_name_has_no_schema() -> None:
    with pytest.raises(ValueError, match="repeated column names: k"):
        Schema([Field("k", INT64), Field("k", STRING)])
