"""The OpenAPI document, written by hand; `tests/integration/blueprints/test_openapi.py` holds it to the code."""

from __future__ import annotations

from functools import cache

from chatsupport import __version__
from chatsupport.openapi import agents, auth, chat, operations, reports, system
from chatsupport.openapi.parts import Json, integer, string
from chatsupport.openapi.schemas import SCHEMAS

__all__ = ["document"]

_DESCRIPTION = """\
Live chat between a site's visitors and its agents. What happens while a chat is open comes over Socket.IO (see
docs/events.md and docs/asyncapi.yaml); everything can be done by these calls too.

Every answer is an envelope: `{"success": true, "message", "data"}` or `{"success": false, "code", "message",
"requestId", "details"?}`. Times are ISO 8601 in UTC with milliseconds; ids are strings.
"""


@cache
def document() -> Json:
    """Return the document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Chat Support",
            "version": __version__,
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "security": [{"token": []}, {"apiKey": []}],
        "tags": [
            {"name": auth.TAG, "description": "Tokens: getting one, and ending all of somebody's."},
            {"name": chat.TAG, "description": "Sessions and their messages."},
            {"name": agents.TAG, "description": "Those who answer."},
            {"name": operations.TAG, "description": "Blocks, the audit log, privacy. By API key or system only."},
            {"name": reports.TAG, "description": "How much there was to do, and how long people waited."},
            {"name": system.TAG, "description": "What the service is and how it is. Open to everybody."},
        ],
        "paths": {**auth.PATHS, **chat.PATHS, **agents.PATHS, **operations.PATHS, **reports.PATHS, **system.PATHS},
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
            "headers": {
                "RequestId": {"description": "The request's id; yours, if you sent a sane one.", "schema": string()},
                "RetryAfter": {"description": "Seconds after which a retry may succeed.", "schema": integer(1)},
                "Authenticate": {"description": "How to authenticate.", "schema": string()},
            },
        },
    }
