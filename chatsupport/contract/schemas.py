"""The JSON schemas of models, without pydantic's own additions, and their meaning in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from chatsupport import session_parts

Json = dict[str, Any]

REF = "#/components/schemas/"
LARGEST = 2**53 - 1
"""The largest whole number that every client can represent exactly."""


def ref(model: type[BaseModel]) -> Json:
    """Refer to a model's schema in the document."""
    return {"$ref": REF + model.__name__}


def components(models: Iterable[type[BaseModel]]) -> dict[str, Json]:
    """Return the schemas of these models and of all models in them, by name."""
    unique = sorted(dict.fromkeys(models), key=lambda model: model.__name__)
    _, document = models_json_schema([(model, "validation") for model in unique], ref_template=REF + "{model}")
    return {name: _clean(schema) for name, schema in sorted(document.get("$defs", {}).items())}


def of(model: type[BaseModel]) -> Json:
    """Return a model's own schema, with references to the models in it."""
    return _with_parts(model, session_parts.names())[model.__name__]


def at(model: type[BaseModel], location: Sequence[int | str]) -> Json:
    """Return the schema of a field, which may be nested in others."""
    schema = of(model)
    for part in location:
        schema = plain(schema)
        if "$ref" in schema:
            schema = _with_parts(model, session_parts.names())[schema["$ref"].rpartition("/")[2]]
        inner = schema.get("items") if isinstance(part, int) else schema.get("properties", {}).get(part)
        schema = inner or schema.get("additionalProperties") or {}
    return schema


@cache
def _with_parts(model: type[BaseModel], features: tuple[str, ...]) -> dict[str, Json]:
    # Cached, because it takes a millisecond and anybody can cause errors.
    return components([model])


def plain(schema: Json) -> Json:
    """Return a schema without its null."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) != 1:
        return schema
    return {**choices[0], **{name: value for name, value in schema.items() if name != "anyOf"}}


def worded(schema: Json) -> str:
    """Return what a value must be, in words: "a whole number from 1 to 100"."""
    nullable = schema is not plain(schema)
    return _worded(plain(schema)) + (", or null" if nullable else "")


def _worded(schema: Json) -> str:
    if "enum" in schema:
        return f"one of {', '.join(schema['enum'])}"
    if "const" in schema:
        return str(schema["const"]).lower()
    kind = "object" if "$ref" in schema else schema.get("type")
    if kind == "boolean":
        return "true or false"
    if kind == "integer":
        low, high = schema.get("minimum"), schema.get("maximum", LARGEST)
        return f"a whole number from {low}" + (f" to {high}" if high < LARGEST else "")
    if kind == "string":
        characters = characters_of(schema)
        seen = ", at least one of them visible" if schema.get("minLength") else ""
        return f"a string of {characters} characters{seen}" if characters else "a string"
    return {"array": "a list", "object": "an object", "number": "a number"}.get(str(kind), "something else")


def characters_of(schema: Json) -> str:
    """Return the number of characters of a text, such as "1 to 64" or "at most 200", or nothing."""
    low, high = schema.get("minLength", 0), schema.get("maxLength")
    if high is None:
        return ""
    return f"{low} to {high}" if low else f"at most {high}"


def _clean(schema: Any) -> Any:
    """Return a schema without titles, which repeat the names, and without null as a default."""
    if isinstance(schema, list):
        return [_clean(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    cleaned = {}
    for name, value in schema.items():
        if name == "properties":
            cleaned[name] = {field: _clean(inner) for field, inner in value.items()}
        elif name in ("example", "enum", "const", "examples"):
            cleaned[name] = value
        elif not (name == "title" or (name == "default" and value is None)):
            cleaned[name] = _clean(value)
    return cleaned
