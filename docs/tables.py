"""Write the tables of docs/rest.md and docs/events.md from the models, and that of the reactions: `make docs`.

A table stands between `<!-- fields: NewMessage -->` (or `queries:`, `events of clients`, `events to clients`,
`reactions`) and `<!-- end -->`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chatsupport import events as happenings
from chatsupport import factory, feature, features, reactions
from chatsupport.contract import schemas, socket_events
from chatsupport.contract.base import Model, Request
from chatsupport.contract.calls import fields

PAGES = [Path(__file__).parent / name for name in ("rest.md", "events.md", "architecture.md")]

WHO = ("userId?", "userType?")
"""What every event of a client may have; the page says it once."""

_BLOCK = re.compile(
    r"(?<=<!-- )(fields|queries|events of clients|events to clients|reactions)(?:: (\w+))? -->\n.*?(?=<!-- end -->)",
    re.DOTALL,
)


def filled(text: str) -> str:
    """Return a page with its tables as the models have them."""
    feature.install(features.INSTALLED)
    factory.bind_socket_events()
    return _BLOCK.sub(lambda match: _filled(match, text), text)


def _filled(block: re.Match[str], page: str) -> str:
    table = _table(block[1], block[2], page)
    # A model of a feature that is not here leaves its table as it is.
    return block[0] if table is None else f"{block[0].splitlines()[0]}\n{table}\n"


def _table(kind: str, name: str | None, page: str) -> str | None:
    if kind == "events of clients":
        rows = [["Event", "Payload", "Acknowledged with (`data`)"], *_of_clients(page)]
    elif kind == "events to clients":
        rows = [["Event", "To", "Payload"], *_to_clients(page)]
    elif kind == "reactions":
        rows = [["Event", "What follows, in order"], *_reactions()]
    else:
        model = next((model for model in _all(Request) if model.__name__ == name), None)
        if model is None:
            return None
        rows = [["Field" if kind == "fields" else "Query", ""]]
        rows += [[f"`{field}`", _cell(schema, required)] for field, schema, required in fields(model)]
    lines = ["| " + " | ".join(row).rstrip() + " |" for row in rows]
    return "\n".join([lines[0], "| --- " * len(rows[0]) + "|", *lines[1:]])


def _all(base: type[Request]) -> Iterator[type[Request]]:
    for model in base.__subclasses__():
        yield model
        yield from _all(model)


def _cell(schema: dict[str, Any], required: bool) -> str:
    facts = [fact for fact in (_values(schema), _default(schema)) if fact]
    text = ", ".join(facts)
    if required:
        text = f"required: {text}" if text else "required"
    description = schema.get("description", "")
    return f"{text}. {description}" if text and description else text or description


def _values(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        values = [f"`{value}`" + (" (default)" if value == schema.get("default") else "") for value in schema["enum"]]
        return " or ".join(part for part in (", ".join(values[:-1]), values[-1]) if part)
    if "minimum" in schema:
        low, high = schema["minimum"], schema.get("maximum", schemas.LARGEST)
        return f"{low} to {high}" if high < schemas.LARGEST else f"{low} or more"
    characters = schemas.characters_of(schema)
    if characters:
        return f"{characters} characters"
    return "`true` or `false`" if schema.get("type") == "boolean" else ""


def _default(schema: dict[str, Any]) -> str:
    default = schema.get("default")
    return (
        f"default `{str(default).lower() if isinstance(default, bool) else default}`"
        if (default is not None and "enum" not in schema)
        else ""
    )


def _of_clients(page: str) -> Iterator[list[str]]:
    for name, event in socket_events.RECEIVED.items():
        yield [_linked(name, page), f"`{_listed(event.body)}`", f"`{_listed(event.answer)}`"]


def _to_clients(page: str) -> Iterator[list[str]]:
    for name, event in socket_events.EMITTED.items():
        yield [_linked(name, page), event.to, event.shown or f"`{_listed(event.data)}`"]


def _reactions() -> Iterator[list[str]]:
    for event, follow in reactions.table(feature.installed()).items():
        yield [f"`{event.__name__}`", ", ".join(f"`{happenings.name_of(react)}`" for react in follow)]


def _linked(name: str, page: str) -> str:
    heading = re.search(rf"^### ((?:\w+, )*{name}(?:, \w+)*)$", page, re.MULTILINE)
    return f"[`{name}`](#{heading[1].replace(', ', '-')})" if heading else f"`{name}`"


def _listed(model: type[Model]) -> str:
    schema = schemas.of(model)
    names = [name if name in schema.get("required", ()) else f"{name}?" for name in schema["properties"]]
    return ", ".join(name for name in names if not (issubclass(model, Request) and name in WHO))


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(filled(path.read_text("utf-8")), "utf-8")
