"""The bubble's texts: one table for each language, with the same texts in the same order."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from chatsupport.web.assets import FOLDER

TABLES = sorted((FOLDER / "widget/languages").glob("*.js"))
LINE = re.compile(r'  ("(?:[^"\\]|\\.)*"), // (\w+).*')


def read(table: str) -> list[tuple[str, str]]:
    """Return a table's names and texts."""
    lines = [LINE.fullmatch(line) for line in table.splitlines() if line.startswith("  ")]
    return [(line[2], json.loads(line[1])) for line in lines if line]


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_each_language_has_all_texts_in_their_order(path: Path) -> None:
    table = read(path.read_text("utf-8"))
    english = read((FOLDER / "widget/languages/en.js").read_text("utf-8"))

    assert len(english) == 35
    assert [name for name, _ in table] == [name for name, _ in english]
    for (name, text), (_, original) in zip(table, english, strict=True):
        assert text, name
        assert text.count("{}") == original.count("{}"), name


def test_the_view_takes_them_in_that_order() -> None:
    names = [name for name, _ in read((FOLDER / "widget/languages/en.js").read_text("utf-8"))]
    view = (FOLDER / "widget/view.js").read_text("utf-8")
    taken = view.partition("const [")[2].partition("] = strings;")[0]

    assert ["dir", *re.findall(r"(\w+)Text", taken)] == names


def test_each_table_is_offered() -> None:
    loader = (FOLDER / "widget/loader.js").read_text("utf-8")
    assert {path.stem for path in TABLES} == set(
        re.findall(r"\b\w\w\b", loader.partition("match(/ (")[2].partition(")")[0])
    )
