"""Figures -> tables, on the terminal and in docs/performance.md."""

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

from bench.scenarios import ALL
from bench.stage import Result

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
HEAD = """\
| scenario | | per second | p50 ms | p95 ms | p99 ms | CPU s per 1 000 | server's core | driver's core | memory MB |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"""


def machine() -> dict[str, str]:
    """Return what the figures depend on."""
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
    return f"round {number} {name:9} {side:5} {figures}"


def tables(results: dict[str, dict[str, list[Result]]], about: dict[str, str], rounds: int) -> str:
    """Return the medians as Markdown."""
    lines = [
        ", ".join(f"{name}: {value}" for name, value in about.items()) + f"; medians of {rounds} rounds.",
        "",
        HEAD,
    ]
    ratios = [
        "| scenario | throughput | p50 | p99 | CPU per message | memory |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    more = []
    for name, sides in results.items():
        title = f"{ALL[name].title} ({ALL[name].unit})"
        medians = {side: median(rounds) for side, rounds in sides.items()}
        for side, figures in medians.items():
            lines.append(f"| {title} | {side} | {_cells(figures)} |")
            title = ""
            more += _particulars(ALL[name].title, side, figures)
        if {"ours", "peer"} <= medians.keys():
            ratios.append(f"| {ALL[name].title} | {_ratios(sides['ours'], sides['peer'])} |")
    parts = ["\n".join(lines)]
    if len(ratios) > 2:
        parts += [
            "Ours divided by the peer: the median of the rounds, and each round. Above 1 is better for throughput, "
            "below 1 for the rest.",
            "\n".join(ratios),
        ]
    if more:
        parts.append("\n".join(more))
    return "\n\n".join(parts)


def write(page: Path, text: str) -> None:
    """Put the tables between the markers of the page."""
    old = page.read_text(encoding="utf-8")
    if BEGIN not in old or END not in old:
        raise SystemExit(f"{page} has lost its markers, {BEGIN} and {END}; the tables stand above.")
    before, _, rest = old.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def _cells(figures: Result) -> str:
    columns = ("per_second", "p50", "p95", "p99", "cpu_per_1000", "server_cpu", "driver_cpu", "memory")
    cells = []
    for name in columns:
        is_share = name in ("server_cpu", "driver_cpu") and name in figures
        cells.append(f"{figures[name]:.0%}" if is_share else _number(figures.get(name)))
    return " | ".join(cells)


def _ratios(ours: list[Result], peer: list[Result]) -> str:
    cells = []
    for name in ("per_second", "p50", "p99", "cpu_per_1000", "memory"):
        each = [mine[name] / its[name] for mine, its in zip(ours, peer, strict=False) if name in mine and its.get(name)]
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
    return lines


def _number(value: float | None) -> str:
    if value is None or math.isnan(value):
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
