"""Turn figures into tables, on the terminal and in docs/performance.md."""

from __future__ import annotations

import datetime as dt
import math
import os
import platform
import re
import shutil
import statistics
import subprocess
from pathlib import Path

from bench.processes import PROJECT
from bench.scenarios import ALL
from bench.stage import Result

PAGE = PROJECT / "docs" / "performance.md"
COLUMNS = {
    "per_second": "per second",
    "p50": "p50 ms",
    "p95": "p95 ms",
    "p99": "p99 ms",
    "cpu_ms": "CPU ms",
    "commands": "commands",
    "server_cpu": "server's core",
    "driver_cpu": "driver's core",
    "memory": "memory MB",
}
RATIOS = {
    "per_second": "throughput",
    "p50": "p50",
    "p99": "p99",
    "cpu_ms": "CPU",
    "commands": "commands",
    "memory": "memory",
}


def machine() -> dict[str, str]:
    """Return the conditions of the measurement."""
    model = ""
    if Path("/proc/cpuinfo").exists():
        found = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
        model = found[1].strip() if found else ""
    node = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout if shutil.which("node") else ""
    return {
        "date": dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%d"),
        "CPU": f"{model or platform.processor()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "Python": platform.python_version(),
        "Node": node.strip().lstrip("v") or "none",
    }


def median(rounds: list[Result]) -> Result:
    """Return each figure's median over the rounds."""
    return {name: statistics.median(result[name] for result in rounds if name in result) for name in rounds[0]}


def line(name: str, side: str, number: int, result: Result) -> str:
    """Return one round's figures in a line."""
    figures = " ".join(f"{figure}={_number(value)}" for figure, value in result.items())
    return f"round {number} {name:9} {side:10} {figures}"


def tables(results: dict[str, dict[str, list[Result]]], about: dict[str, str], rounds: int) -> str:
    """Return the medians as Markdown, and ours divided by each other side."""
    lines, ratios, more = _head(["scenario", ""], COLUMNS), _head(["scenario", "divided by"], RATIOS), list[str]()
    compared = len(ratios)
    for name, sides in results.items():
        label = divided = f"`{name}`"
        title = f"{label}: {ALL[name].title} ({ALL[name].unit})"
        for side, rounds_of_side in sides.items():
            figures = median(rounds_of_side)
            lines.append(f"| {title} | {side} | {_cells(figures)} |")
            title = ""
            more += _particulars(label, side, figures)
            if side != "ours" and "ours" in sides:
                ratios.append(f"| {divided} | {side} | {_ratios(sides['ours'], rounds_of_side)} |")
                divided = ""
    parts = [
        ", ".join(f"{name}: {value}" for name, value in about.items()) + f"; medians of {rounds} rounds.",
        "\n".join(lines),
    ]
    if len(ratios) > compared:
        parts += [
            "Ours divided by the others: the median of the rounds, and each round. Above 1 is better for throughput, "
            "below 1 for the rest.",
            "\n".join(ratios),
        ]
    if more:
        parts.append("\n".join(more))
    return "\n\n".join(parts)


def _head(names: list[str], columns: dict[str, str]) -> list[str]:
    rule = [*("---" for _ in names), *("---:" for _ in columns)]
    return [f"| {' | '.join((*names, *columns.values()))} |", f"| {' | '.join(rule)} |"]


def write(page: Path, text: str, name: str = "bench") -> None:
    """Put the tables between the markers of this name in the page."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    old = page.read_text(encoding="utf-8")
    if begin not in old or end not in old:
        raise SystemExit(f"{page} has lost its markers, {begin} and {end}; the tables stand above.")
    before, _, rest = old.partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def _cells(figures: Result) -> str:
    return " | ".join(
        f"{figures[name]:.0%}"
        if name in ("server_cpu", "driver_cpu") and name in figures
        else _number(figures.get(name))
        for name in COLUMNS
    )


def _ratios(ours: list[Result], others: list[Result]) -> str:
    cells = []
    for name in RATIOS:
        pairs = [(mine.get(name), its.get(name)) for mine, its in zip(ours, others, strict=False)]
        each = [mine / its for mine, its in pairs if mine is not None and its]
        rounds = ", ".join(f"{ratio:.2f}" for ratio in each)
        cells.append(f"**{statistics.median(each):.2f}** ({rounds})" if each else "")
    return " | ".join(cells)


def _particulars(title: str, side: str, figures: Result) -> list[str]:
    lines = []
    if figures.get("lost"):
        lines.append(f"- {title}, {side}: {figures['lost']:.0f} messages were lost or refused.")
    if "kb_per_socket" in figures:
        lines.append(
            f"- {title}, {side}: **{figures['kb_per_socket']:.1f} KB** a socket ({figures['sockets']:.0f} of them), "
            f"connected and joined at {figures['connects_per_second']:.0f} a second; "
            f"while all were silent the server used {figures['idle_cpu']:.1%} of its core."
        )
    if "seconds" in figures:
        lines.append(f"- {title}, {side}: all were back after {figures['seconds']:.1f} s.")
    if "small_p50" in figures:
        lines.append(
            f"- {title}, {side}: p50 {figures['p50']:.1f} ms, against {figures['small_p50']:.1f} ms in a session "
            "with one page."
        )
    if "page_p50" in figures:
        lines.append(
            f"- {title}, {side}: p50 {figures['p50']:.1f} ms; a page of 1 000 agents: {figures['page_p50']:.1f} ms, "
            f"of it {figures['page_cpu_ms']:.1f} ms of CPU."
        )
    return lines


def _number(value: float | None) -> str:
    if value is None or math.isnan(value):
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
