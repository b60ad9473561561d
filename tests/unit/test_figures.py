"""docs/performance.md is the source of all measured figures, and other pages agree with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import ROOT

PERFORMANCE = ROOT / "docs/performance.md"
PAGES = [page for page in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]) if page != PERFORMANCE]
NUMBER = r"(\d[\d .]*)"

SAID = {
    "idle, KB": (rf"{NUMBER} KB (?:each\b|(?:a|each|for each) socket)", 0.005),
    "idle, MB for 12 000": (rf"12 000 sockets need about {NUMBER} MB", 0.05),
    "churn, memory MB": (rf"{NUMBER} MB (?:for the process itself|and [\d.]+ KB)", 0.05),
    "closed, per second": (rf"messages(?:, two people in each chat)? \| {NUMBER} a second", 0.01),
    "closed, CPU": (rf"a core \(1 000 cost {NUMBER} s of CPU", 0.05),
    "rejoin, per second": (
        rf"(?:come at once: about|restart \| (?:about)?|[Aa]bout) ?{NUMBER} (?:sockets )?a second",
        0.05,
    ),
    "rejoin, CPU": (rf"sockets a second \(1 000 cost {NUMBER} s of CPU", 0.05),
    "churn, per second": (rf"starts and ends of sessions \| {NUMBER} a second", 0.05),
}
"""How each figure is written on other pages, and how far it may be rounded."""


@pytest.fixture(scope="module")
def measured() -> dict[str, float]:
    """The bench's figures of our server, by scenario and column."""
    text = PERFORMANCE.read_text("utf-8")
    lines = text.split("<!-- bench: begin -->")[1].split("<!-- bench: end -->")[0].splitlines()
    columns = [cell.strip() for cell in next(line for line in lines if line.startswith("| scenario")).split("|")]
    found: dict[str, float] = {}
    for line in lines:
        row = re.match(r"\| `(\w+)`.*\| ours \|", line)
        if row is not None:
            for column, cell in zip(columns, line.split("|"), strict=True):
                if re.fullmatch(r" [\d.]+ ", cell):
                    name = "CPU" if column.startswith("CPU") else column
                    found[f"{row[1]}, {name}"] = float(cell)
    idle = re.search(r"^- `idle`.*, ours: \*\*([\d.]+) KB\*\*", text, re.MULTILINE)
    assert idle is not None
    found["idle, KB"] = float(idle[1])
    found["idle, MB for 12 000"] = found["churn, memory MB"] + 12 * found["idle, KB"]
    return found


def said(page: Path, pattern: str) -> list[tuple[str, float]]:
    """Return the places where a page gives the figure, and the figures."""
    text = re.sub(r"\n *", " ", page.read_text("utf-8"))
    return [(f"{page.name}: {match[0]}", float(match[1].replace(" ", ""))) for match in re.finditer(pattern, text)]


@pytest.mark.parametrize("name", SAID)
def test_every_page_gives_the_measured_figures(measured: dict[str, float], name: str) -> None:
    pattern, rounding = SAID[name]
    figures = [each for page in PAGES for each in said(page, pattern)]

    assert figures, f"no page mentions {name} any more: remove its line"
    assert not [place for place, figure in figures if figure != pytest.approx(measured[name], rel=rounding)]
