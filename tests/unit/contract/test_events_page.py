"""docs/events.md names the events there are, and shows the recipe that the tests run."""

from __future__ import annotations

import re

from chatsupport import broadcasts
from chatsupport.sockets import chat, events
from tests import ROOT

PAGE = (ROOT / "docs/events.md").read_text("utf-8")


def section(title: str) -> str:
    """Return what stands under a heading, up to the next of its kind."""
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def named_in_table(title: str) -> set[str]:
    """Return the events in the first column of a section's tables."""
    return {
        name
        for row in re.findall(r"^\| (.*?) \|", section(title), re.MULTILINE)
        for name in re.findall(r"`([a-z_]+)`", row)
    }


def test_it_names_what_clients_emit() -> None:
    assert chat
    assert named_in_table("What clients emit") == set(events.names())


def test_it_names_what_the_server_emits() -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "chatsupport").rglob("*.py"))
    emitted = set(re.findall(r'(?:emit|_emit_here|_emit_presence)\(\s*"([a-z_]+)"', source))
    emitted |= set(re.findall(r'to_socket\([^"()]*"([a-z_]+)"', source))
    assert named_in_table("What the server emits") == emitted - {broadcasts.CONTROL_EVENT}


def test_its_recipe_is_the_one_that_is_tested() -> None:
    recipe = (ROOT / "tests/e2e/js/recipe.js").read_text("utf-8")
    assert f"```js\n{recipe}```" in PAGE
