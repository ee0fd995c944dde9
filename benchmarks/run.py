"""The command that measures: which shapes, sizes and contenders, and where the results go."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .coordinator import Effort, measured
from .data import SEED
from .machine import machine, versions
from .peers import ON_SPARK, PEERS, contenders
from .report import summary, table, where, written
from .shape import Contender, Shape
from .shapes import SHAPES

# What a new user sees, within a minute or so.
QUICK = ("latest", "latest-strings", "views-12", "sums", "sums-dense")
QUICK_PEERS = ("hitherto", "Polars", "SQL by hand", "pandas")
QUICK_BUDGET, BUDGET = 3.0, 20.0
FORMAT = 1


def main(arguments: Sequence[str]) -> int:
    """Measure, print a table for each shape and a summary. Returns 1 where an answer differs or a contender fails."""
    given = _parser().parse_args(arguments)
    if given.list:
        for shape in SHAPES.values():
            sizes = ", ".join(f"{name} {size}" for name, size in shape.sizes.items())
            print(f"{shape.name:24} {shape.title}\n{'':24} {sizes}")
        return 0
    is_quick = not (given.full or given.spark or given.shapes)
    peers = ON_SPARK if given.spark else QUICK_PEERS if is_quick else PEERS
    if given.peers:
        peers = _names(given.peers, (*PEERS, *ON_SPARK), "peer")
    chosen = QUICK if is_quick else tuple(SHAPES)
    if given.shapes:
        chosen = _names(given.shapes, tuple(SHAPES), "shape")
    sizes = given.sizes.split(",") if given.sizes else ["M", "L"] if given.full else ["M"]
    forms = tuple(given.forms.split(",")) if given.forms else ()
    processes = given.processes or (3 if given.full else 1)
    effort = Effort(processes, given.repeat, given.timeout, QUICK_BUDGET if is_quick else BUDGET)
    result: dict[str, Any] = {
        "format": FORMAT,
        "machine": machine(),
        "versions": versions(),
        "seed": SEED,
        "effort": {"processes": effort.processes, "repeat": effort.repeat},
        "results": [],
    }
    with tempfile.TemporaryDirectory(prefix="hitherto-benchmarks-") as folder:
        data = given.data or Path(folder)
        for name in chosen:
            shape = SHAPES[name]
            for size in sizes:
                if size not in shape.sizes or (size in shape.by_name_only and not (given.shapes and given.sizes)):
                    continue
                takes_part = _chosen(shape, peers, forms, all_forms=given.full or given.spark or given.all_forms)
                if not takes_part:
                    continue
                entry = measured(shape, size, takes_part, effort, data, forms=forms, progress=_progress)
                _progress("")
                result["results"].append(entry)
                print(table(entry), end="\n\n", flush=True)
                if given.output is not None:
                    given.output.write_text(json.dumps(result, indent=1))
    print(summary(result))
    print(where(result))
    if given.output is not None:
        written(result, given.output)
    statuses = {each["status"] for entry in result["results"] for each in entry["contenders"]}
    return 1 if statuses & {"differs", "failed"} else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="hitherto against what people use instead."
    )
    parser.add_argument(
        "--full", action="store_true", help="all shapes in sizes M and L, all forms, three processes each"
    )
    parser.add_argument("--shapes", help="names of shapes, with commas between them")
    parser.add_argument("--sizes", help="S, M, L, or others that a shape has")
    parser.add_argument("--peers", help="names of peers, with commas between them")
    parser.add_argument("--spark", action="store_true", help="on a local Spark, instead of in this process")
    parser.add_argument("--forms", help="physical forms of hitherto, each forced as a contender of its own")
    parser.add_argument(
        "--all-forms", action="store_true", help="all forms of the peers, not only the one known as the best"
    )
    parser.add_argument("--repeat", type=int, default=5, help="warm runs in each process (5)")
    parser.add_argument("--processes", type=int, help="fresh processes of each contender (1; 3 with --full)")
    parser.add_argument("--timeout", type=float, default=60, help="seconds after which a run is given up (60)")
    parser.add_argument("--data", type=Path, help="a folder that keeps the data for the next time")
    parser.add_argument("--output", type=Path, help="a result file (.json); .md and .svg are written beside it")
    parser.add_argument("--list", action="store_true", help="list the shapes")
    return parser


def _names(text: str, known: Sequence[str], what: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no {what} is called {unknown[0]!r}; there are: {', '.join(known)}")
    return names


def _chosen(shape: Shape, peers: Sequence[str], forms: tuple[str, ...], *, all_forms: bool) -> list[Contender]:
    """The contenders of the peers that are asked for: of each rival the first form, or all of them."""
    chosen: list[Contender] = []
    for contender in contenders(shape, forms):
        is_first = all(other.peer != contender.peer for other in chosen)
        if contender.peer in peers and (all_forms or is_first or contender.peer == "hitherto"):
            chosen.append(contender)
    return chosen


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()
