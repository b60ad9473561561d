"""The tables of a measurement: medians, and ratios computed round by round."""

from __future__ import annotations

from itertools import dropwhile, takewhile
from pathlib import Path

import pytest

from bench import report


def _figures(per_second: float) -> dict[str, float]:
    return {"per_second": per_second, "p50": 1000 / per_second, "commands": 2.0}


OURS, BASE, PEER = (
    [_figures(100), _figures(300), _figures(200)],
    [_figures(100), _figures(100), _figures(100)],
    [_figures(50), _figures(50), _figures(400)],
)


def _rows(text: str, name: str) -> list[list[str]]:
    lines = dropwhile(lambda line: not line.startswith(f"| `{name}`"), text.splitlines())
    rows = takewhile(lambda line: line.startswith("|"), lines)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in rows]


def test_the_table_shows_medians_and_the_ratio_to_each_other_side_in_each_round() -> None:
    text = report.tables({"closed": {"ours": OURS, "base": BASE, "peer": PEER}}, {"date": "today"}, 3)
    figures, _, ratios = text.partition("Ours divided by the others")

    assert text.startswith("date: today; medians of 3 rounds.")
    assert [(row[1], row[2]) for row in _rows(figures, "closed")] == [
        ("ours", "200"),
        ("base", "100"),
        ("peer", "50.0"),
    ]
    assert [row[1:3] for row in _rows(ratios, "closed")] == [
        ["base", "**2.00** (1.00, 3.00, 2.00)"],
        ["peer", "**2.00** (2.00, 6.00, 0.50)"],
    ]


def test_what_is_said_of_a_side_names_the_scenario() -> None:
    sides = {side: [{**_figures(100), "seconds": 2.5}] for side in ("ours", "base", "peer")}

    text = report.tables({"rejoin": sides}, {}, 1)

    said = [line for line in text.splitlines() if line.startswith("- ")]
    assert said == [f"- `rejoin`, {side}: all were back after 2.5 s." for side in sides]


def test_a_figure_that_one_side_lacks_has_no_ratio() -> None:
    text = report.tables({"drive": {"ours": OURS, "peer": [{"per_second": 50.0}] * 3}}, {}, 3)

    (ratios,) = _rows(text.partition("Ours divided by the others")[2], "drive")
    assert ratios[2].startswith("**4.00**")
    assert ratios[3:] == ["", "", "", "", ""]


def test_without_others_there_are_no_ratios() -> None:
    assert "divided" not in report.tables({"history": {"ours": OURS}}, {}, 3)


def test_the_page_keeps_what_is_outside_the_markers(tmp_path: Path) -> None:
    page, begin, end = tmp_path / "performance.md", "<!-- bench: begin -->", "<!-- bench: end -->"
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n")

    report.write(page, "new")

    assert page.read_text() == f"before\n{begin}\nnew\n{end}\nafter\n"
    page.write_text("no markers")
    with pytest.raises(SystemExit, match="markers"):
        report.write(page, "new")
