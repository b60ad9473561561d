"""docs/events.md names exactly the existing events, and shows the recipe that the tests run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chatsupport.contract.calls import all_errors
from docs import tables
from tests import ROOT
from tests.documents import client_events, openapi_document

PAGE = (ROOT / "docs/events.md").read_text("utf-8")


def section(title: str) -> str:
    """Return the text under a heading, up to the next heading of the same level."""
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def named_in_table(title: str) -> set[str]:
    """Return the events in the first column of a section's tables."""
    return {
        name
        for row in re.findall(r"^\| (.*?) \|", section(title), re.MULTILINE)
        for name in re.findall(r"`([a-z_]+)`", row)
    }


def test_it_names_what_clients_emit() -> None:
    assert named_in_table("What clients emit") == set(client_events())


def test_it_names_what_the_server_emits() -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "chatsupport").rglob("*.py"))
    emitted = set(re.findall(r'(?:emit|emit_here|_emit_presence)\(\s*"([a-z_]+)"', source))
    emitted |= set(re.findall(r'to_socket\([^"()]*"([a-z_]+)"', source))
    assert named_in_table("What the server emits") == emitted


@pytest.mark.parametrize("page", tables.PAGES, ids=lambda page: page.name)
def test_the_tables_are_those_of_the_models(page: Path) -> None:
    """If this fails, run `make docs`."""
    text = page.read_text("utf-8")

    assert text.count("<!-- end -->") >= 1
    assert tables.filled(text) == text


def test_the_table_of_errors_has_every_code() -> None:
    text = (ROOT / "docs/rest.md").read_text("utf-8").split("\n## Errors\n")[1].split("\n## ")[0]
    named = {
        code: row[0]
        for row in re.findall(r"^\| ([\d, ]+)[^|]*\| (.*) \|$", text, re.MULTILINE)
        for code in re.findall(r"`([A-Z_]+)`", row[1])
    }

    assert set(named) == set(openapi_document()["components"]["schemas"]["Failure"]["properties"]["code"]["enum"])
    assert all(str(error.status) in named[error.code] for error in all_errors())


def test_its_recipe_is_the_tested_one() -> None:
    recipe = (ROOT / "tests/e2e/js/recipe.js").read_text("utf-8")
    assert f"```js\n{recipe}```" in PAGE
