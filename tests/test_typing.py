"""A user's script, as a type checker and an editor see it once hitherto is installed by a command of the README."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "typing" / "script.py"
REVEALED = re.compile(r'^Type of ".*" is "(?P<type>.*)"$')


def expected() -> dict[int, str]:
    """What the comments of the script say, by line."""
    lines = enumerate(SCRIPT.read_text().splitlines(), 1)
    found = {number: re.search(r"# ((?:type|error): .*)$", line) for number, line in lines}
    return {number: match[1] for number, match in found.items() if match}


def test_a_type_checker_knows_the_types_of_a_users_script_and_finds_what_is_misspelt(tmp_path: Path) -> None:
    """In a folder of its own: what the checker finds of hitherto is what is installed."""
    pytest.importorskip("pyright")
    spec = importlib.util.find_spec("hitherto")
    is_hook = spec is not None and not any(Path(entry, "hitherto").exists() for entry in sys.path)
    if is_hook and not os.environ.get("CI"):
        pytest.skip("hitherto is installed by a hook, which no type checker sees: pip install --editable . again")
    shutil.copy(SCRIPT, tmp_path / "script.py")
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson", "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    told: dict[int, list[str]] = defaultdict(list)
    for each in json.loads(done.stdout)["generalDiagnostics"]:
        revealed = REVEALED.match(each["message"])
        text = f"type: {revealed['type']}" if revealed else f"{each['severity']}: {each['message']}"
        told[each["range"]["start"]["line"] + 1].append(text)
    assert sorted(told) == sorted(expected()), dict(told)
    for line, text in expected().items():
        kind, _, wanted = text.partition(": ")
        found = text in told[line] if kind == "type" else any(wanted in each for each in told[line])
        assert found, f"line {line}: {told[line]}"
