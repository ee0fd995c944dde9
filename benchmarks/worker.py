"""A process with one contender in it. It is told on stdin when to run, and says on stdout what that took."""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from . import meter
from .data import Size
from .peers import contenders
from .shape import Inputs


def main() -> None:
    """Prepare the contender that the argument names, and run it once for each line of stdin."""
    asked = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints goes elsewhere

    def say(**values: Any) -> None:
        answers.write(json.dumps(values) + "\n")
        answers.flush()

    try:
        shape = importlib.import_module(asked["registry"]).SHAPES[asked["shape"]]
        inputs = Inputs(Path(asked["folder"]), Size(**asked["size"]), Path(asked["scratch"]))
        assert inputs.spine is not None
        (contender,) = (each for each in contenders(shape, tuple(asked["forms"])) if each.name == asked["contender"])
        started = time.perf_counter()
        run = contender.prepare(inputs)
        bare = meter.resident()
        say(start=time.perf_counter() - started)
        for line in sys.stdin:
            gc.collect()
            meter.forget_peak()
            wall, cpu = time.perf_counter(), meter.cpu()
            table = run()
            wall, cpu = time.perf_counter() - wall, meter.cpu() - cpu
            peak = max(0.0, meter.peak() - bare)
            if path := json.loads(line)["result"]:
                import pyarrow as pa

                with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
                    writer.write_table(table)
            del table
            say(wall=wall, cpu=cpu, peak=peak)
    except Exception as error:
        traceback.print_exc()
        say(error=f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}")


if __name__ == "__main__":
    main()
