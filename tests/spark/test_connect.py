"""The tests of the engine once more, on a real Spark Connect server: one process can't have both kinds of session.

Left out is what asks of plans, data and files, and not of sessions.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


@pytest.mark.deep
def test_the_engine_holds_on_spark_connect(spark: Any) -> None:
    if "CI" not in os.environ:
        pytest.importorskip("grpc", reason="Spark Connect needs pip install 'hitherto[spark-connect]'")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--deep", "-m", "not of_one_session"]
    command.append(str(HERE / "test_engine.py"))
    # Where this run is on Spark Connect itself, its server is the one to connect to.
    remote = "sc://localhost" if os.environ.get("HITHERTO_SPARK_REMOTE") else "local[2]"
    environment = os.environ | {"HITHERTO_SPARK_REMOTE": remote}
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_CURRENT_TEST", "PYTEST_ADDOPTS"):
        environment.pop(name, None)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=HERE.parents[1])
    assert done.returncode == 0, done.stdout[-5_000:] + done.stderr[-2_000:]
    assert " passed" in done.stdout
