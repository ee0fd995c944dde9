"""Runs contenders in processes of their own, alternated; nothing is timed whose answer is not the first one's."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from .compare import difference
from .data import SEED, written
from .shape import Contender, Shape

ROOT = Path(__file__).parents[1]
_TOGETHER = 8_000_000  # rows up to which all processes of a shape live side by side


@dataclass
class Timed:
    """What came of one contender: its status, and seconds and MB of each run."""

    peer: str
    form: str
    status: str = "ok"  # or differs, failed, too slow, does not apply
    note: str = ""
    start: list[float] = field(default_factory=list)
    first: list[dict[str, float]] = field(default_factory=list)
    warm: list[dict[str, float]] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        return self.status in ("ok", "too slow", "does not apply")


@dataclass(frozen=True)
class Effort:
    """How often: fresh processes of each contender, warm runs in each, and when one is given up."""

    processes: int
    repeat: int
    timeout: float
    budget: float = 20.0  # seconds of warm runs in a process, at least one run


class Process:
    """A worker, spoken to line by line. Raises TimeoutError where it takes too long, and is then gone."""

    def __init__(self, asked: dict[str, Any], python: str | None, timeout: float) -> None:
        self._timeout = timeout
        command = [python or sys.executable, "-m", "benchmarks.worker", json.dumps(asked)]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115, closed with the process
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        self.started = self._answer()

    def run(self, result: Path | None = None) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"result": str(result) if result else None}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], self._timeout)
        if not ready:
            self.close()
            raise TimeoutError
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        code = self._process.wait()
        self._errors.seek(0)
        last = self._errors.read().decode(errors="replace").strip().rpartition("\n")[2]
        return {"error": f"the process ended with {code}: {last}"}


def measured(
    shape: Shape,
    size_name: str,
    contenders: Sequence[Contender],
    effort: Effort,
    data: Path,
    *,
    forms: Sequence[str] = (),
    registry: str = "benchmarks.shapes",
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """All contenders of a shape in a size, as the entry of a result file.

    ``registry`` is the module whose ``SHAPES`` has the shape: each process looks it up there.
    """
    size = shape.sizes[size_name]
    progress(f"{shape.name} {size_name} ({size}): data")
    folder = written(shape.data, size, data)
    asked = {
        "registry": registry,
        "shape": shape.name,
        "folder": str(folder),
        "size": asdict(size),
        "forms": list(forms),
    }
    timed = [Timed(contender.peer, contender.form) for contender in contenders]
    with tempfile.TemporaryDirectory() as results:
        bench = _Bench(shape, asked, timed, contenders, effort, Path(results), progress)
        together = size.spine + size.events <= _TOGETHER
        for number in range(effort.processes):
            # The one that ran first last time is last now.
            order = (
                [*range(number % len(timed), len(timed)), *range(number % len(timed))]
                if number
                else [*range(len(timed))]
            )
            if together:
                bench.round(order)
            else:
                for index in order:
                    bench.round([index])
    return {
        "shape": shape.name,
        "title": shape.title,
        "size": size_name,
        "rows": {"spine": size.spine, "events": size.events, "keys": size.keys},
        "seed": SEED,
        "contenders": [asdict(each) for each in timed],
    }


class _Bench:
    """The rounds of one shape and size. The first contender's answer is what the others must give."""

    def __init__(
        self,
        shape: Shape,
        asked: dict[str, Any],
        timed: list[Timed],
        contenders: Sequence[Contender],
        effort: Effort,
        results: Path,
        progress: Callable[[str], None],
    ) -> None:
        self._shape = shape
        self._asked = asked
        self._timed = timed
        self._contenders = contenders
        self._effort = effort
        self._results = results
        self._progress = progress
        self._expected: pa.Table | None = None
        self._reference: int | None = None
        self._compared: set[int] = set()

    def round(self, order: Sequence[int]) -> None:
        """A fresh process for each, a first run in each, and then warm runs in turns."""
        live: dict[int, Process] = {}
        try:
            for index in order:
                if self._timed[index].status == "ok" and (process := self._first(index)):
                    live[index] = process
            spent = dict.fromkeys(live, 0.0)
            for _ in range(self._effort.repeat):
                for index, process in list(live.items()):
                    if spent[index] > self._effort.budget:
                        continue
                    took = self._run(index, process)
                    if took is None:
                        del live[index]
                        continue
                    self._timed[index].warm.append(took)
                    spent[index] += took["wall"]
        finally:
            for process in live.values():
                process.close()

    def _first(self, index: int) -> Process | None:
        timed, contender = self._timed[index], self._contenders[index]
        self._progress(f"{self._shape.name}: {contender.name}")
        try:
            scratch = tempfile.mkdtemp(dir=self._results)
            asked = {**self._asked, "contender": contender.name, "scratch": scratch}
            process = Process(asked, contender.python, self._effort.timeout)
        except TimeoutError:
            timed.status, timed.note = "too slow", f"not ready after {self._effort.timeout:g} s"
            return None
        if "error" in process.started:
            self._failed(timed, process.started["error"])
            process.close()
            return None
        path = None if index in self._compared else self._results / f"{index}.arrow"
        took = self._run(index, process, path)
        if took is None:
            return None
        if path is not None:
            self._compare(index, path)
        if timed.status != "ok":
            process.close()
            return None
        timed.start.append(process.started["start"])
        timed.first.append(took)
        return process

    def _run(self, index: int, process: Process, path: Path | None = None) -> dict[str, float] | None:
        timed = self._timed[index]
        try:
            took = process.run(path)
        except TimeoutError:
            timed.status, timed.note = "too slow", f"more than {self._effort.timeout:g} s"
            return None
        if "error" in took:
            self._failed(timed, took["error"])
            process.close()
            return None
        return took

    def _failed(self, timed: Timed, error: str) -> None:
        does_not_apply = timed.peer.startswith("hitherto") and timed.form and error.startswith("DefinitionError")
        timed.status, timed.note = ("does not apply" if does_not_apply else "failed"), error

    def _compare(self, index: int, path: Path) -> None:
        with pa.memory_map(str(path)) as file:
            table = pa.ipc.open_file(file).read_all()
        self._compared.add(index)
        if self._expected is None:
            self._expected, self._reference = table, index
            return
        differs = difference(self._expected, table, self._shape.sums)
        if differs is not None:
            timed = self._timed[index]
            assert self._reference is not None
            timed.status, timed.note = "differs", f"from {self._contenders[self._reference].name}: {differs}"
            timed.first, timed.warm = [], []
