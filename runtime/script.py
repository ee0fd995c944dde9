"""The script of a job: its plan as SQL that a person runs by hand, as often as they like, in a session of their own."""

from __future__ import annotations

from collections.abc import Mapping

from ..dialects.compiler import SqlCompiler
from ..planner.dag.plan import ExecutionPlan
from ..planner.dag.query import QueryNode
from ..planner.ir.data import ArrowData
from ..planner.ir.logical import Scan, Table, topological
from ..planner.types import DataType


def script_by_hand(
    plan: ExecutionPlan, compiler: SqlCompiler, spine: Table, types: Mapping[str, DataType], *, is_run: bool
) -> str:
    """The statements of an optimized plan, the last of which gives the answer, with columns of these types.

    The first line says under which name the entity rows are expected. A statement that makes something replaces what an
    earlier run of the script made. It says so where the job itself is not run like this.
    """
    nodes = [node for node in plan.nodes if isinstance(node, QueryNode)]
    scans = [scan for node in nodes for scan in topological(node.relation) if isinstance(scan, Scan)]
    in_memory = dict.fromkeys(scan.table.name for scan in scans if isinstance(scan.table.data, ArrowData))
    head = [f"-- The entity rows are expected as a table or view {compiler.quoted(spine.name)}."]
    if in_memory:
        head.append(f"-- Sources in memory are expected as {', '.join(map(compiler.quoted, in_memory))}.")
    if not is_run:
        head.append("-- The job itself searches events in memory: explain() shows its steps.")
    parts = [*compiler.definitions(node.relation for node in nodes)]
    for node in plan.nodes:
        if not isinstance(node, QueryNode):
            parts.append(f"-- runs in Python: {node.name}")
        elif node.is_result:
            query = compiler.compile(node.relation, node.order_by)
            is_answer = node.fingerprint == plan.outputs[-1].fingerprint
            parts.append(compiler.to_text(compiler.with_zones(query, types) if is_answer else query))
        else:
            made = compiler.replace_table(node.name, compiler.compile(node.relation))
            parts += [compiler.to_text(statement) for statement in made]
    texts = ["\n".join([*head, compiler.session_settings]), *parts]
    return "\n\n".join(text if text.startswith("-- runs") or text.endswith(";") else f"{text};" for text in texts)
