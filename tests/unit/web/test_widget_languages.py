"""The bubble's texts: one table for each language, with the same names in the same order."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from chatsupport.web import bundle
from chatsupport.web.assets import FOLDER, written

FOLDERS = {"texts": FOLDER / "widget/languages", "words": FOLDER / "widget/parts/languages"}
"""Where the tables are: of the chat, and of its parts. The keys are what the modules call them."""
TABLES = sorted(path for folder in FOLDERS.values() for path in folder.glob("*.js"))
LINE = re.compile(r'  (\w+): ("(?:[^"\\]|\\.)*"),(?: // .*)?')


def read(table: str) -> list[tuple[str, str]]:
    """Return a table's names and texts."""
    lines = [LINE.fullmatch(line) for line in table.splitlines() if line.startswith("  ")]
    return [(line[1], json.loads(line[2])) for line in lines if line]


def english(folder: Path) -> list[tuple[str, str]]:
    return read((folder / "en.js").read_text("utf-8"))


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.relative_to(FOLDER / "widget").as_posix())
def test_each_language_has_all_texts_in_their_order(path: Path) -> None:
    table = read(path.read_text("utf-8"))

    originals = english(path.parent)

    assert [name for name, _ in table] == [name for name, _ in originals] == bundle.texts(path.read_bytes())
    for (name, text), (_, original) in zip(table, originals, strict=True):
        assert text, name
        assert text.count("{}") == original.count("{}"), name


@pytest.mark.parametrize("table", FOLDERS)
def test_every_text_is_shown_and_no_other(table: str) -> None:
    files = [*(FOLDER / "widget").glob("*.js"), *(FOLDER / "widget/parts").glob("*.js")]
    sources = [path.read_text("utf-8") for path in files]
    used = {name for source in sources for name in re.findall(rf"\b{table}\.(\w+)", source)}

    assert used == {name for name, _ in english(FOLDERS[table])}
    # The server replaces a name with a number, and finds it only in this form.
    assert not [source for source in sources if re.search(rf"\b{table}\[|\}} = {table}\b", source)]


def test_browsers_get_the_texts_with_short_names() -> None:
    done = bundle.bundled(written())

    assert f'  {bundle.short("send")}: "Send",\n'.encode() in done["widget/languages/en.js"]
    assert f"icon(texts.{bundle.short('send')}".encode() in done[bundle.CHAT]
    assert f"words.{bundle.short_word('transcript')}".encode() in done["widget/parts/menu.js"]


def test_every_language_is_offered() -> None:
    loader = (FOLDER / "widget/loader.js").read_text("utf-8")
    offered = set(re.findall(r"\b\w\w\b", loader.partition("match(/[ ,](")[2].partition(")")[0]))
    for folder in FOLDERS.values():
        assert {path.stem for path in folder.glob("*.js")} == offered
