"""Columns for the terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime

import click

from chatsupport.database.clock import now


def show(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows in columns."""
    lines = [list(head), *([_printable(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def age(time: datetime | None) -> str:
    """Return how long ago something was, in two figures at most: `3m 12s`."""
    return "-" if time is None else duration((now() - time).total_seconds())


def duration(seconds: float) -> str:
    """Return a length of time: `45s`, `3m 12s`, `5h 7m`, `12d 4h`."""
    whole = max(0, int(seconds))
    units = ((86_400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s"))
    for size, name, small, small_name in units:
        if whole >= size:
            return f"{whole // size}{name} {whole % size // small}{small_name}"
    return f"{whole}s"


def _printable(cell: object) -> str:
    """Return a cell without control characters: a visitor's id may contain anything."""
    text = "-" if cell is None else str(cell)
    return "".join("?" if unicodedata.category(character) in ("Cc", "Cf", "Cs") else character for character in text)
