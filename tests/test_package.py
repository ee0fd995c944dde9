"""The repository as a package: layers, names, sizes, doctests, documents and the wheel."""

from __future__ import annotations

import ast
import contextlib
import doctest
import importlib
import io
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import hitherto as ht
import pytest
from hitherto.planner.physical import FORM_NAMES

ROOT = Path(__file__).parents[1]
PACKAGES = ("planner", "dialects", "runtime")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

# A module imports only from its own line and the lines above it. The longest name that fits decides.
LAYERS = """
    planner.types planner.errors planner.calls planner.room planner.durations planner.node planner
    planner.expr
    planner.ir.data planner.ir.logical planner.ir.index
    planner.statistics
    planner.ir
    planner.rules
    planner.physical
    planner.phases
    planner.target
    planner.options
    planner.features
    planner.dag
    planner.pieces
    planner.planning
    dialects
    runtime.arrow runtime.sources
    runtime.index
    runtime.keys runtime.located
    runtime.loading
    runtime.append runtime.frames runtime.metrics runtime.events runtime.samples runtime.steps runtime.target
    runtime.progress runtime.explain runtime.statistics runtime.rows runtime
    runtime.session
    runtime.materialization runtime.analyze
    runtime.engine
    runtime.engines runtime.sinks
    runtime.retrieval runtime.online runtime.script runtime.rows.spine runtime.store runtime.tables
"""
RANKS = {name: rank for rank, line in enumerate(LAYERS.split("\n")) for name in line.split()}
EXACT = ("planner", "runtime")  # Their own __init__.py, and no layer for a new file that is named nowhere.
ONLY_IN = {
    "duckdb": ("runtime/engines/local.py", "runtime/engines/local_connection.py", "runtime/engines/local_names.py"),
    "pyspark": ("runtime/engines/spark.py", "runtime/engines/spark_session.py"),
    "sqlglot": ("planner/expr/parse.py", "planner/expr/binder.py", "planner/expr/syntax.py", "dialects/"),
}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def rank_of(module: str) -> int | None:
    """The layer of a module; None for one that is named nowhere."""
    named = (name for name in RANKS if name == module or (module.startswith(f"{name}.") and name not in EXACT))
    return max(((len(name), RANKS[name]) for name in named), default=(0, None))[1]


def imports_of(path: Path) -> Iterator[tuple[str, bool]]:
    """What a file imports, also late, and whether for the type checker alone; from this package without its prefix."""
    tree = ast.parse(path.read_text())
    typing = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    package = path.relative_to(ROOT).parts[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in typing) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or "", node in typing
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" for alias in node.names]
            yield from ((name if is_module(name) else base, node in typing) for name in names)


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_a_module_imports_only_from_layers_below_it(path: Path) -> None:
    module = module_of(path)
    rank = rank_of(module)
    assert rank is not None, f"{module} is in no layer: add it to LAYERS"
    for imported, _ in imports_of(path):
        if imported.split(".")[0] in (*PACKAGES, ""):
            other = rank_of(imported)
            assert other is not None, f"{imported} is in no layer"
            assert other <= rank, f"{module} imports {imported}, which is above it"


def import_graph() -> dict[str, set[str]]:
    """Each module with those that it imports: late, or for the type checker alone, as well as at its beginning.

    Who imports a module of another package runs the ``__init__.py`` of that package too.
    """
    modules = {module_of(path): path for path in FILES}
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        imported = {name for name, _ in imports_of(path)}
        packages = {name.rpartition(".")[0] for name in imported} - {module.rpartition(".")[0]}
        graph[module] = ((imported | packages) & modules.keys()) - {module}
    return graph


@pytest.mark.parametrize("path", [path for path in FILES if "dialects" in path.parts], ids=module_of)
def test_a_dialect_knows_operators_alone(path: Path) -> None:
    """No import, name, comment or message of it is about what the operators are put together for."""
    assert not [name for name, _ in imports_of(path) if name.startswith("planner.physical")]
    own = r"spines?|picks?|events?|physical forms?|point.in.time|AsofJoin|WindowAggregate"
    found = re.findall(rf"\b(?:{own}|{'|'.join(FORM_NAMES)})\b|[a-z]+_(?:spine|event)\b", path.read_text())
    assert not found


def test_no_imports_make_a_circle() -> None:
    """Code that two modules need of each other belongs into one of them, or into a third; a late import hides it."""
    TopologicalSorter(import_graph()).prepare()


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_an_engines_package_is_imported_in_its_own_file_alone(path: Path) -> None:
    where = path.relative_to(ROOT).as_posix()
    for imported, _ in imports_of(path):
        allowed = ONLY_IN.get(imported.split(".")[0])
        assert allowed is None or where.startswith(allowed), f"{where} imports {imported}"


@pytest.mark.parametrize("path", [path for path in FILES if "planner" in path.parts], ids=module_of)
def test_the_planner_imports_no_data_library(path: Path) -> None:
    for imported, typing in imports_of(path):
        library = imported.split(".")[0]
        assert library not in ("pandas", "polars", "numpy")
        assert library != "pyarrow" or typing, f"{path} imports pyarrow"


def test_the_package_imports_itself_relatively() -> None:
    for path in FILES:
        for imported, _ in imports_of(path):
            assert imported.split(".")[0] != "hitherto", path


def test_every_package_directory_is_in_the_wheel() -> None:
    with open(ROOT / "pyproject.toml", "rb") as file:
        listed = set(tomllib.load(file)["tool"]["setuptools"]["packages"])
    folders = {path.parent for folder in (*PACKAGES, "testing") for path in (ROOT / folder).rglob("*.py")}
    names = {"hitherto." + ".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert listed == {"hitherto", *names}


def test_the_root_holds_no_python_file_but_the_facade() -> None:
    assert [path.name for path in ROOT.glob("*.py")] == ["__init__.py"]
    assert not (ROOT / "tests" / "__init__.py").exists()


def fresh(code: str, **variables: str) -> str:
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | variables, cwd="/", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_import_loads_no_engine_and_no_data_library() -> None:
    code = "import sys, hitherto; print(*sys.modules)"
    loaded = {name.split(".")[0] for name in fresh(code).split()}
    assert not loaded & {"pyspark", "pandas", "polars", "numpy", "pyarrow", "sqlglot", "duckdb", "sqlite3"}


def test_definitions_need_neither_engine_nor_data_library() -> None:
    code = (
        "import sys, hitherto as ht;"
        "source = ht.FileSource('tx.parquet', timestamp_field='ts');"
        "ht.FeatureView('spend', entities=['user'], source=source, aggregations=[ht.Aggregation('usd', 'sum', '7d')]);"
        "print(*sys.modules)"
    )
    loaded = {name.split(".")[0] for name in fresh(code).split()}
    assert not loaded & {"pyspark", "pandas", "polars", "pyarrow", "duckdb"}


def test_every_public_name_can_be_imported() -> None:
    for name in ht.__all__:
        assert getattr(ht, name).__name__ == name
    assert set(ht.__all__) <= set(dir(ht))
    assert fresh("from hitherto import *; print(FeatureStore.__name__)") == "FeatureStore\n"


def test_the_facade_names_every_public_name_once_and_everywhere() -> None:
    tree = ast.parse((ROOT / "__init__.py").read_text())
    typed = [
        alias.name
        for block in ast.walk(tree)
        if isinstance(block, ast.If)
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    lazy = vars(ht)["_HOME"]
    assert sorted(ht.__all__) == sorted(typed) == sorted(lazy)
    assert len(set(typed)) == len(typed)


def test_every_public_class_says_what_it_is() -> None:
    assert [name for name in ht.__all__ if not (getattr(ht, name).__doc__ or "").strip()] == []


def test_every_error_is_a_hitherto_error() -> None:
    errors = [name for name in ht.__all__ if name.endswith("Error")]
    assert len(errors) >= 9
    assert all(issubclass(getattr(ht, name), ht.HithertoError) for name in errors)


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_no_file_has_more_than_400_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


def test_no_tracked_file_is_larger_than_a_megabyte() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no repository, but a copy of its files")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    tracked = [ROOT / name for name in listed.split("\0") if name]
    assert ROOT / "README.md" in tracked
    sizes = {path.relative_to(ROOT).as_posix(): path.stat().st_size for path in tracked if path.is_file()}
    assert {name: size for name, size in sizes.items() if size > 1_000_000} == {}


def modules() -> list[str]:
    found: list[str] = []
    for name in PACKAGES:
        package = importlib.import_module(f"hitherto.{name}")
        found.append(package.__name__)
        found += [info.name for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    return found


@pytest.mark.parametrize("name", modules())
def test_the_examples_of_docstrings_run(name: str) -> None:
    if name.endswith(".spark"):
        pytest.importorskip("pyspark")
    assert doctest.testmod(importlib.import_module(name)).failed == 0


BLOCK = re.compile(r"^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def documents() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_the_python_of_a_document_runs_and_prints_what_it_says(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert path.exists(), f"{path.name} is missing"
    monkeypatch.chdir(tmp_path)
    if path.name != "spark.md":
        run_document(path)


def test_the_python_of_the_page_on_spark_runs_and_prints_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spark: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    run_document(ROOT / "docs" / "spark.md")


def run_document(path: Path) -> None:
    """Run all blocks of a document in one namespace; a text block after one is what it prints, ``…`` for any text.

    A block that is marked ``py`` is shown and not run.
    """
    blocks = [(found["kind"], found["text"], found.start()) for found in BLOCK.finditer(path.read_text())]
    names: dict[str, Any] = {"__name__": "document"}
    for index, (kind, text, start) in enumerate(blocks):
        if kind != "python":
            continue
        printed = io.StringIO()
        line = path.read_text()[:start].count("\n") + 1
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * line + text, str(path), "exec"), names)
        if index + 1 < len(blocks) and blocks[index + 1][0] == "text":
            assert matches(blocks[index + 1][1], printed.getvalue()), (
                f"{path.name}:{line} printed\n{printed.getvalue()}"
            )


def matches(expected: str, printed: str) -> bool:
    pattern = ".*?".join(re.escape(part) for part in stripped(expected).split("…"))
    return re.fullmatch(pattern, stripped(printed), re.DOTALL) is not None


def stripped(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


@pytest.mark.parametrize("path", [*documents(), ROOT / "CONTRIBUTING.md"], ids=lambda path: path.name)
def test_the_files_that_a_document_names_exist(path: Path) -> None:
    assert path.exists(), f"{path.name} is missing"
    text = path.read_text()
    linked = {part for part in re.findall(r"\]\(([^)#]+)", text) if "://" not in part}
    assert [part for part in linked if not (path.parent / part).exists()] == []
    quoted = set(re.findall(r"`([\w./-]+)`", text))
    tops = {entry.name for entry in ROOT.iterdir()}
    named = {part for part in quoted if "/" in part.strip("/") and part.split("/")[0] in tops}
    assert [part for part in named if not (ROOT / part).exists()] == []


def checkout(target: Path) -> Path:
    """A copy of what a commit of everything would hold, in a folder whose name is no identifier."""
    ignored = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__")
    return Path(shutil.copytree(ROOT, target / "check-out.1", ignore=ignored))


@pytest.mark.deep
def test_the_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    source = checkout(tmp_path)
    wheels = tmp_path / "wheels"
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(wheels), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = wheels.glob("hitherto-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "installed")
    packed = {name for name in names if ".dist-info/" not in name}
    expected = {"hitherto/" + path.relative_to(ROOT).as_posix() for path in FILES}
    expected |= {"hitherto/" + path.relative_to(ROOT).as_posix() for path in (ROOT / "testing").rglob("*.py")}
    assert packed == expected | {"hitherto/__init__.py", "hitherto/py.typed"}
    code = "import hitherto; print(hitherto.__file__, hitherto.FeatureStore.__name__)"
    printed = fresh(code, PYTHONPATH=str(tmp_path / "installed"))
    assert printed == f"{tmp_path}/installed/hitherto/__init__.py FeatureStore\n"
