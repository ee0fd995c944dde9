"""How the tests run: as a plain folder beside the package that the repository's root is."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hitherto.planner.options import PlannerOptions
from hitherto.runtime.engine import SqlComputeEngine
from hitherto.runtime.engines.local import LocalComputeEngine
from hypothesis import HealthCheck, settings

from tests.engines import ENGINES, is_deep, is_on_spark, made, refusals

settings.register_profile(
    "hitherto",
    deadline=None,
    derandomize="CI" in os.environ,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("hitherto")

# Many small queries, each with code of its own: the JVM's quick compiler, with room for all that it compiles, takes
# little more than half of the processor's time. A frame of 2,000 features needs more than Spark's own gigabyte.
SPARK_SETTINGS = {
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=512m -XX:+UseSerialGC",
    "spark.driver.memory": "2g",
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
}


class RootIsAPlainFolder:
    """Keeps pytest from importing the root's ``__init__.py`` under the folder's name: a second copy of the library.

    An object and not a hook of this file, which pytest would not ask about the folder above it. For the same reason
    ``tests`` has no ``__init__.py``: ``from tests.reference import ...`` finds it as a namespace package.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        return pytest.Dir.from_parent(parent, path=path) if path == self._root else None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files; read the difference")
    parser.addoption("--deep", action="store_true", help="also the tests marked deep: many examples, and what is slow")


def refuse_files_that_are_not_installed(root: Path) -> None:
    """An editable install links the files that it finds: without this, a new one is an ImportError somewhere."""
    import hitherto

    installed = Path(hitherto.__file__).parent
    files = (path for package in ("planner", "dialects", "runtime") for path in (root / package).rglob("*.py"))
    missing = [path.relative_to(root) for path in files if not (installed / path.relative_to(root)).exists()]
    if missing:
        names = ", ".join(map(str, sorted(missing)))
        raise pytest.UsageError(f"{names}: not installed; run .venv/bin/pip install --editable . again")


def pytest_configure(config: pytest.Config) -> None:
    refuse_files_that_are_not_installed(config.rootpath)
    config.pluginmanager.register(RootIsAPlainFolder(config.rootpath))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keeps the garbage collector from what is collected here: it stays, and to visit it takes a tenth of the run."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves deep tests out of the fast tier, and expects of an engine what the marks of a test say.

    Spark's tests are marked so. They come first, and so to one of xdist's workers: one Spark is started, and the others
    do the rest.
    """
    if not config.getoption("--deep"):
        config.hook.pytest_deselected(items=[item for item in items if is_deep(item)])
        items[:] = [item for item in items if not is_deep(item)]
    for item in items:
        for refusal in refusals(item):
            item.add_marker(refusal)
        if is_on_spark(item):
            item.add_marker("spark")
    items.sort(key=lambda item: not is_on_spark(item))


@pytest.fixture(scope="session", autouse=True)
def duckdb_of_the_run() -> Iterator[None]:
    """Keeps the database open that engines in memory share: opening one for each test takes a fifth of the time."""
    engine = LocalComputeEngine()
    with engine.session(PlannerOptions()):
        yield


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are rewritten instead of compared."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(scope="session")
def spark_of_the_run() -> Iterator[Any]:
    """One local Spark for the run, behind Spark Connect where ``HITHERTO_SPARK_REMOTE`` says so ("local[2]").

    Without Java the tests skip on a user's machine and fail in the gate.
    """
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        missing = "Spark needs Java 17 or later, and there is none"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    sql = pytest.importorskip("pyspark.sql")
    remote = os.environ.get("HITHERTO_SPARK_REMOTE")
    builder = sql.SparkSession.builder.remote(remote) if remote else sql.SparkSession.builder.master("local[2]")
    if not (remote and remote.startswith("sc:")):  # a server that runs already has its own
        for name, value in SPARK_SETTINGS.items():
            builder = builder.config(name, value)
    session = builder.getOrCreate()
    if not remote:
        session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


@pytest.fixture
def spark(spark_of_the_run: Any) -> Iterator[Any]:
    """The run's Spark, without the temporary views of an earlier test: in what order tests run changes nothing."""
    yield spark_of_the_run
    for table in spark_of_the_run.catalog.listTables():
        if table.isTemporary:
            spark_of_the_run.catalog.dropTempView(table.name)


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> SqlComputeEngine:
    """Each engine under test."""
    return made(request, request.param)


@pytest.fixture(params=[name for name in ENGINES if name != "duckdb"])
def other_engine(request: pytest.FixtureRequest) -> SqlComputeEngine:
    """Each engine that is compared with DuckDB."""
    return made(request, request.param)
