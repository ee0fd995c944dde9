"""What a result file becomes: tables, Markdown, a chart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import report
from benchmarks.__main__ import main


def contender(peer: str, form: str, cpu: float, wall: float, **other: Any) -> dict[str, Any]:
    run = {"cpu": cpu, "wall": wall, "peak": 10.0}
    first = {"cpu": 2 * cpu, "wall": 2 * wall, "peak": 20.0}
    timed = {"status": "ok", "note": "", "start": [0.1], "first": [first], "warm": [run, run, {**run, "cpu": 9.0}]}
    return {"peer": peer, "form": form, **timed, **other}


RESULT: dict[str, Any] = {
    "format": 1,
    "machine": {
        "cores": 2,
        "processor": "A <processor>",
        "memory_gb": 8,
        "system": "Linux",
        "python": "3.11.7",
        "load": 0.2,
    },
    "versions": {"duckdb": "2.0.1"},
    "seed": 7,
    "results": [
        {
            "shape": "latest",
            "title": "latest value",
            "size": "M",
            "rows": {"spine": 100_000, "events": 1_000_000, "keys": 10_000},
            "seed": 7,
            "contenders": [
                contender("hitherto", "", 0.2, 0.1),
                contender("hitherto", "NarrowAsof", 0.1, 0.1),
                contender("Polars", "join_asof", 0.5, 0.2),
                contender("Polars", "lazy", 0.1, 0.3),
                contender("SQL by hand", "packed", 0.8, 0.4),
                contender("pandas", "merge_asof", 0, 0, status="differs", note="from hitherto: a|b", first=[], warm=[]),
            ],
        }
    ],
}


def test_a_rival_counts_in_its_best_form_and_a_forced_form_of_ours_does_not() -> None:
    found = list(report.ratios(RESULT["results"][0]))
    assert [(ratio.rival.name, round(ratio.cpu, 9), round(ratio.wall, 9)) for ratio in found] == [
        ("Polars: lazy", 0.5, 3.0),
        ("SQL by hand: packed", 4.0, 4.0),
    ]


def test_losses_are_marked_in_the_summary() -> None:
    text = report.summary(RESULT).splitlines()
    assert [line.split() for line in text[3:]] == [
        ["latest", "M", "Polars:", "lazy", "0.50", "3.00", "0.50", "3.00", "slower"],
        ["SQL", "by", "hand:", "packed", "4.00", "4.00", "4.00", "4.00"],
    ]


def test_the_table_of_a_shape_shows_every_contender() -> None:
    text = report.table(RESULT["results"][0])
    assert text.startswith("latest M: latest value (100k x 1M, 10k keys)")
    assert "Polars: join_asof                    1.000   0.400   0.500   0.200     20   5.00   2.00" in text
    assert "pandas: merge_asof                 differs: from hitherto: a|b" in text


def test_markdown_has_the_machine_the_summary_and_every_contender() -> None:
    text = report.markdown(RESULT)
    assert (
        "2 cores (A <processor>), 8 GB, Linux, Python 3.11.7; duckdb 2.0.1. Seed 7. Load before it began: 0.2." in text
    )
    assert "| latest M | Polars: lazy | **0.50** | 3.00 | **0.50** | 3.00 |" in text
    assert "| hitherto | 0.400 | 0.200 | 0.200 | 0.100 | 20 | 2.00 |" in text
    assert "| pandas: merge_asof | differs: from hitherto: a\\|b | | | | | |" in text


def test_growth_is_told_where_a_shape_has_several_sizes() -> None:
    (entry,) = RESULT["results"]
    rows = {"spine": 1_000_000, "events": 10_000_000, "keys": 100_000}
    larger = {**entry, "size": "L", "rows": rows, "contenders": [contender("hitherto", "", 1.8, 1.0)]}
    text = report.markdown({**RESULT, "results": [entry, larger]})
    assert "| latest | M to L | 10.0 | 9.0 |" in text
    assert "growth" not in report.markdown(RESULT)


def test_a_busy_machine_is_told() -> None:
    busy = {**RESULT, "machine": {**RESULT["machine"], "load": 6.5}}
    assert "Load before it began: 6.5, so seconds of the clock mean little." in report.where(busy)


def test_the_chart_is_svg_with_a_bar_for_each_rival(tmp_path: Path) -> None:
    report.written(RESULT, tmp_path / "results.json")
    chart = ElementTree.parse(tmp_path / "results.svg").getroot()
    bars = chart.findall("{http://www.w3.org/2000/svg}rect")
    assert [(bar.get("class"), bar.get("width")) for bar in bars] == [("loss", "27.5"), ("win", "220.0")]
    assert (tmp_path / "results.md").read_text() == report.markdown(RESULT)


def test_the_summary_goes_into_a_document_between_its_marks(tmp_path: Path) -> None:
    document, results = tmp_path / "page.md", tmp_path / "results.json"
    results.write_text(json.dumps(RESULT))
    document.write_text("before\n<!-- results -->\nold\n<!-- end of results -->\nafter\n")
    assert main(["report", str(results), "--into", str(document)]) == 0
    text = document.read_text()
    assert text.startswith("before\n<!-- results -->\n\n2 cores (A <processor>), 8 GB")
    assert text.endswith("| 4.00 |\n\n<!-- end of results -->\nafter\n")
    assert "old" not in text
    assert main(["report", str(results), "--into", str(document)]) == 0
    assert document.read_text() == text


def test_a_document_without_marks_is_left_alone(tmp_path: Path) -> None:
    document, results = tmp_path / "page.md", tmp_path / "results.json"
    results.write_text(json.dumps(RESULT))
    document.write_text("no marks")
    with pytest.raises(SystemExit, match="no <!-- results --> and <!-- end of results -->"):
        main(["report", str(results), "--into", str(document)])
    assert document.read_text() == "no marks"


def test_an_unknown_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mesure"]) == 2
    assert "no command is called 'mesure'; there are: run, report, rates" in capsys.readouterr().err


def test_an_unknown_shape_is_named() -> None:
    with pytest.raises(SystemExit, match="no shape is called 'lattest'; there are: latest"):
        main(["--shapes", "lattest"])
