"""The console's texts: each language has a table with the same names, and all names are used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chatsupport.web.assets import FOLDER

LANGUAGES, OF_SETTINGS = FOLDER / "console/languages", FOLDER / "console/settings/languages"
TABLES = (LANGUAGES, OF_SETTINGS)
TEXT = re.compile(r'^ +(\w+): (?:"|\{.*\},$)', re.MULTILINE)
GROUP = re.compile(r"^  (\w+): \{\n(.*?)^  \},$", re.MULTILINE | re.DOTALL)
PLACE = re.compile(r"\{(\w+)\}")
BY_CODE = {"lost", "empty", "words"}
"""Groups whose texts are found by a code of the server, or by the name of a list or a field."""


def code_of(folder: Path) -> str:
    return "\n".join(path.read_text("utf-8") for path in folder.glob("**/*.js") if path.parent not in TABLES)


@pytest.mark.parametrize("languages", TABLES)
def test_every_text_is_used(languages: Path) -> None:
    table = (languages / "en.js").read_text("utf-8")
    code = code_of(languages.parent)
    named = {group: TEXT.findall(body) for group, body in GROUP.findall(table)}

    assert len(named) > 7
    unused = [
        f"{group}.{name}"
        for group, names in named.items()
        if group not in BY_CODE
        for name in names
        if not re.search(rf"\b(?:texts\.{group}|{group}|own)\.{name}\b", code) and f"{group}[" not in code
    ]
    assert unused == []


@pytest.mark.parametrize(("languages", "least"), [(LANGUAGES, 150), (OF_SETTINGS, 80)])
def test_each_language_has_the_same_texts_with_the_same_values_in_them(languages: Path, least: int) -> None:
    english, *others = (
        [
            (name, sorted(set(PLACE.findall(line))))
            for line in path.read_text("utf-8").splitlines()
            for name in TEXT.findall(line)
        ]
        for path in sorted(languages.glob("*.js"), key=lambda path: path.stem != "en")
    )
    assert len(english) > least
    assert all(other == english for other in others)


def test_no_sentence_is_written_in_the_code() -> None:
    sentences = re.compile(r'(?<!class: )"[A-Z][a-z]+(?: [a-z]+)+[.…]?"')
    found = [
        f"{path.name}: {sentence}"
        for path in FOLDER.glob("console/**/*.js")
        if path.parent not in TABLES and path.name != "boot.js"  # boot.js shows this if nothing else could be loaded.
        for sentence in sentences.findall(path.read_text("utf-8"))
    ]
    assert found == []
