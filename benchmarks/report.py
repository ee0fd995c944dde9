"""A result file as tables: for the terminal, as Markdown, and as a chart."""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .chart import drawn
from .data import Size

OURS = "hitherto"
OURS_ON_SPARK = "hitherto on Spark"
BEGIN, END = "<!-- results -->", "<!-- end of results -->"
RIVALS = ("Polars", "SQL by hand", "Polars by prefix sums", "textbook SQL", "pandas", "Feast", "Spark SQL by hand")


@dataclass(frozen=True)
class Line:
    """One contender: medians of its runs in seconds, and the most memory of any in MB."""

    peer: str
    form: str
    status: str
    note: str
    start: float
    first_cpu: float
    first_wall: float
    cpu: float
    wall: float
    peak: float
    runs: int

    @property
    def name(self) -> str:
        return f"{self.peer}: {self.form}" if self.form else self.peer


def lines(entry: Mapping[str, Any]) -> list[Line]:
    """The contenders of a shape, in their order; one that has no warm run is told by its first."""
    found = []
    for each in entry["contenders"]:
        warm = each["warm"] or each["first"]
        found.append(
            Line(
                each["peer"],
                each["form"],
                each["status"],
                each["note"],
                _median(each["start"]),
                _median([run["cpu"] for run in each["first"]]),
                _median([run["wall"] for run in each["first"]]),
                _median([run["cpu"] for run in warm]),
                _median([run["wall"] for run in warm]),
                max((run["peak"] for run in [*each["first"], *each["warm"]]), default=0.0),
                len(each["warm"]),
            )
        )
    return found


def best(found: Sequence[Line], peer: str) -> Line | None:
    """The contender of a peer that takes the least CPU when warm. Forms of hitherto that are forced are no choice."""
    timed = [
        line for line in found if line.peer == peer and line.runs and not (peer in (OURS, OURS_ON_SPARK) and line.form)
    ]
    return min(timed, key=lambda line: line.cpu, default=None)


def heading(entry: Mapping[str, Any]) -> str:
    return f"{entry['shape']} {entry['size']}: {entry['title']} ({Size(**entry['rows'])})"


def table(entry: Mapping[str, Any]) -> str:
    """A shape for the terminal."""
    found = lines(entry)
    least = min((line.cpu for line in found if line.runs), default=0.0)
    soonest = min((line.wall for line in found if line.runs), default=0.0)
    width = max(36, *(len(line.name) + 2 for line in found))
    text = [
        heading(entry),
        f"{'':{width}} {'first run':>15} {'warm':>15} {'':>6} {'of the best':>13}",
        f"{'':{width}} {'CPU s':>7} {'wall s':>7} {'CPU s':>7} {'wall s':>7} {'MB':>6} {'CPU':>6} {'wall':>6}",
    ]
    for line in found:
        if not line.runs:
            text.append(f"  {line.name:{width - 2}} {line.status}: {line.note}")
            continue
        times = f"{line.first_cpu:7.3f} {line.first_wall:7.3f} {line.cpu:7.3f} {line.wall:7.3f}"
        ratios = f"{line.cpu / least:6.2f} {line.wall / soonest:6.2f}"
        slow = f"  ({line.note})" if line.status != "ok" else ""
        text.append(f"  {line.name:{width - 2}} {times} {line.peak:6.0f} {ratios}{slow}")
    return "\n".join(text)


@dataclass(frozen=True)
class Ratio:
    """A rival's seconds over hitherto's: above 1 hitherto is faster."""

    shape: str
    rival: Line
    cpu: float
    wall: float
    first_cpu: float
    first_wall: float


def ratios(entry: Mapping[str, Any], rivals: Sequence[str] = RIVALS) -> Iterator[Ratio]:
    found = lines(entry)
    ours = best(found, OURS) or best(found, OURS_ON_SPARK)
    for rival in rivals:
        line = best(found, rival)
        if ours is None or line is None:
            continue
        yield Ratio(
            f"{entry['shape']} {entry['size']}",
            line,
            line.cpu / ours.cpu,
            line.wall / ours.wall,
            line.first_cpu / ours.first_cpu,
            line.first_wall / ours.first_wall,
        )


def summary(result: Mapping[str, Any]) -> str:
    """How many times hitherto's time each rival takes, for the terminal; losses are marked."""
    text = [
        "how many times hitherto's time the others take, each in its best form (below 1: hitherto is slower)",
        f"{'':28} {'':38} {'warm':>11} {'first run':>12}",
        f"{'':28} {'':38} {'CPU':>5} {'wall':>5} {'CPU':>6} {'wall':>5}",
    ]
    for entry in result["results"]:
        for number, ratio in enumerate(ratios(entry)):
            shape = ratio.shape if number == 0 else ""
            numbers = f"{ratio.cpu:5.2f} {ratio.wall:5.2f} {ratio.first_cpu:6.2f} {ratio.first_wall:5.2f}"
            text.append(f"  {shape:26} {ratio.rival.name:38} {numbers}{'  slower' if ratio.cpu < 1 else ''}")
    return "\n".join(text)


def growth(result: Mapping[str, Any]) -> Iterator[tuple[str, str, str, float, float]]:
    """Of hitherto from one size of a shape to the next: the sizes, and how many times the rows and the CPU seconds."""
    for one, other in itertools.pairwise(result["results"]):
        before, after = best(lines(one), OURS), best(lines(other), OURS)
        if one["shape"] == other["shape"] and before is not None and after is not None:
            rows = [each["rows"]["spine"] + each["rows"]["events"] for each in (one, other)]
            yield one["shape"], one["size"], other["size"], rows[1] / rows[0], after.cpu / before.cpu


def _growth_table(result: Mapping[str, Any]) -> list[str]:
    grown = list(growth(result))
    if not grown:
        return []
    text = ["", "| growth of hitherto | sizes | times the rows | times the CPU |", "|---|---|---|---|"]
    return [
        *text,
        *(f"| {name} | {one} to {other} | {rows:.1f} | {cpu:.1f} |" for name, one, other, rows, cpu in grown),
    ]


def markdown(result: Mapping[str, Any]) -> str:
    """The whole result file as Markdown: where it was measured, the summary, and every contender."""
    text = [where(result), "", *_summary_table(result), *_growth_table(result), ""]
    for entry in result["results"]:
        text += [f"#### {heading(entry)}", "", *_table(entry), ""]
    return "\n".join(text)


def where(result: Mapping[str, Any]) -> str:
    machine, versions = result["machine"], result["versions"]
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"{machine['cores']} cores ({machine['processor']}), {machine['memory_gb']} GB, {machine['system']}, "
        f"Python {machine['python']}; {packages}. Seed {result['seed']}. Load before it began: {machine['load']}"
        f"{', so seconds of the clock mean little' if machine['load'] > machine['cores'] / 2 else ''}."
    )


def _summary_table(result: Mapping[str, Any]) -> list[str]:
    text = [
        "| shape | against | warm CPU | warm wall | first CPU | first wall |",
        "|---|---|---|---|---|---|",
    ]
    for entry in result["results"]:
        for ratio in ratios(entry):
            numbers = (ratio.cpu, ratio.wall, ratio.first_cpu, ratio.first_wall)
            cells = " | ".join(f"{number:.2f}" if number >= 1 else f"**{number:.2f}**" for number in numbers)
            text.append(f"| {ratio.shape} | {ratio.rival.name} | {cells} |")
    return text


def _table(entry: Mapping[str, Any]) -> list[str]:
    found = lines(entry)
    least = min((line.cpu for line in found if line.runs), default=0.0)
    text = [
        "| | first CPU s | first wall s | warm CPU s | warm wall s | peak MB | of the best |",
        "|---|---|---|---|---|---|---|",
    ]
    for line in found:
        if not line.runs:
            note = line.note.replace("|", "\\|")
            text.append(f"| {line.name} | {line.status}: {note} | | | | | |")
            continue
        numbers = f"{line.first_cpu:.3f} | {line.first_wall:.3f} | {line.cpu:.3f} | {line.wall:.3f} | {line.peak:.0f}"
        text.append(f"| {line.name} | {numbers} | {line.cpu / least:.2f} |")
    return text


def main(arguments: Sequence[str]) -> int:
    """Print a result file as Markdown, write that and the chart beside it, or put its summary into a document."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks report", description=main.__doc__)
    parser.add_argument("results", type=Path, help="a result file")
    parser.add_argument("--write", action="store_true", help="write results.md and results.svg beside it")
    parser.add_argument("--into", type=Path, help=f"a document: the summary goes between {BEGIN} and {END}")
    given = parser.parse_args(arguments)
    result = json.loads(given.results.read_text())
    if given.write:
        written(result, given.results)
    if given.into is not None:
        given.into.write_text(inserted(given.into.read_text(), result))
    if not given.write and given.into is None:
        print(markdown(result))
    return 0


def inserted(document: str, result: Mapping[str, Any]) -> str:
    """The document with the summary between its two marks, instead of what stood there."""
    before, found_begin, rest = document.partition(BEGIN)
    _, found_end, after = rest.partition(END)
    if not (found_begin and found_end):
        raise SystemExit(f"the document has no {BEGIN} and {END} for the results to stand between")
    summary = "\n".join([where(result), "", *_summary_table(result), *_growth_table(result)])
    return f"{before}{BEGIN}\n\n{summary}\n\n{END}{after}"


def written(result: Mapping[str, Any], path: Path) -> None:
    """Write Markdown and the chart beside a result file."""
    path.with_suffix(".md").write_text(markdown(result))
    bars = [(entry_ratio.shape, entry_ratio.rival.name, entry_ratio.cpu) for entry_ratio in _charted(result)]
    path.with_suffix(".svg").write_text(drawn(bars))


def _charted(result: Mapping[str, Any]) -> Iterator[Ratio]:
    for entry in result["results"]:
        yield from ratios(entry, ("Polars", "SQL by hand", "pandas", "Feast"))


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else 0.0
