"""The bubble's texts: one table for each language, with the same names in the same order."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from chatsupport.web import bundle
from chatsupport.web.assets import FOLDER, written

TABLES = sorted((FOLDER / "widget/languages").glob("*.js"))
LINE = re.compile(r'  (\w+): ("(?:[^"\\]|\\.)*"),(?: // .*)?')
USED = re.compile(r"\btexts\.(\w+)")


def read(table: str) -> list[tuple[str, str]]:
    """Return a table's names and texts."""
    lines = [LINE.fullmatch(line) for line in table.splitlines() if line.startswith("  ")]
    return [(line[1], json.loads(line[2])) for line in lines if line]


ENGLISH = read((FOLDER / "widget/languages/en.js").read_text("utf-8"))


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_each_language_has_all_texts_in_their_order(path: Path) -> None:
    table = read(path.read_text("utf-8"))

    assert [name for name, _ in table] == [name for name, _ in ENGLISH] == bundle.texts(path.read_bytes())
    for (name, text), (_, original) in zip(table, ENGLISH, strict=True):
        assert text, name
        assert text.count("{}") == original.count("{}"), name


def test_every_text_is_shown_and_no_other() -> None:
    sources = [path.read_text("utf-8") for path in (FOLDER / "widget").glob("*.js")]
    used = {name for source in sources for name in USED.findall(source)}

    assert used == {name for name, _ in ENGLISH}
    # The server replaces a name with a number, and finds it only in this form.
    assert not [source for source in sources if re.search(r"\btexts\[|\} = texts\b", source)]


def test_browsers_get_the_texts_without_their_names() -> None:
    done = bundle.bundled(written())

    assert b'default [\n  "ltr", // the direction of writing\n  "Open chat",' in done["widget/languages/en.js"]
    assert f"icon(texts[{[name for name, _ in ENGLISH].index('send')}]".encode() in done[bundle.CHAT]


def test_every_language_is_offered() -> None:
    loader = (FOLDER / "widget/loader.js").read_text("utf-8")
    assert {path.stem for path in TABLES} == set(
        re.findall(r"\b\w\w\b", loader.partition("match(/ (")[2].partition(")")[0])
    )
