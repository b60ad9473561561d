"""What is sent to webhooks, for the section `webhooks` of OpenAPI."""

from __future__ import annotations

from typing import Any

from chatsupport.features.events.contents import TYPES

Json = dict[str, Any]

_MODELS = {"session": "Session", "message": "Message", "agent": "Agent"}
_HEADERS = {
    "webhook-id": "The id of the event. It stays the same, however often the event is sent.",
    "webhook-timestamp": "The time of the attempt, in seconds since 1970.",
    "webhook-signature": "`v1,` and the signature in base64; for a day after a new secret two of them, after a space.",
}


def described() -> dict[str, Json]:
    """Return the call that is made for each type of event."""
    return {kind: {"post": _call(kind)} for kind in TYPES}


def _call(kind: str) -> Json:
    model = _MODELS.get(kind.partition(".")[0])
    whole = {"$ref": f"#/components/schemas/{model}"} if model else {"type": "object"}
    cut = {"type": "object", "description": "Only ids and `truncated`, if it is too long; empty, if it was erased."}
    body = {
        "type": "object",
        "properties": {
            "type": {"const": kind},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": {"anyOf": [whole, cut]},
        },
        "required": ["type", "timestamp", "data"],
    }
    return {
        "operationId": "on" + "".join(word.capitalize() for word in kind.split(".")),
        "summary": f"{kind.replace('.', ' ').capitalize()}",
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
            for name, text in _HEADERS.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"2XX": {"description": "You have the event. With any other status it is sent again."}},
    }
