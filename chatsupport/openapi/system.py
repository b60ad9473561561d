"""What the service is and how it is."""

from __future__ import annotations

from chatsupport.openapi.parts import (
    Json,
    array,
    choice,
    in_path,
    integer,
    nothing_or,
    number,
    operation,
    record,
    string,
    success,
    time,
)
from chatsupport.web.assets import MEDIA_TYPES

TAG = "System"

_HEALTH = record(
    {
        "status": choice("healthy", "degraded", "unhealthy"),
        "timestamp": time(),
        "uptime": number("Seconds."),
        "environment": string(),
        "version": string(),
        "services": record(
            {
                "database": choice("connected", "disconnected"),
                "sessions": record({"active": nothing_or(integer(0)), "total": nothing_or(integer(0))}),
                "indexes": record(
                    {
                        "status": choice("ready", "building"),
                        "missing": array(record({"name": string(), "reason": nothing_or(string())})),
                    }
                ),
                "clock": record({"status": choice("right", "wrong", "unknown"), "offset": nothing_or(number())}),
            }
        ),
    }
)


def _file(name: str, summary: str, *media_types: str) -> Json:
    file = operation(TAG, name, summary, answers={200: _content(summary, *media_types)}, codes=[], needs_caller=False)
    return {"get": file}


def _content(summary: str, *media_types: str) -> Json:
    return {"description": summary, "content": {kind: {"schema": {"type": "string"}} for kind in media_types}}


PATHS: dict[str, Json] = {
    "/": {
        "get": operation(
            TAG,
            "getIndex",
            "What this is",
            answers={
                200: success(
                    record(
                        {
                            "message": string(),
                            "version": string(),
                            "documentation": string(description="The path of the page that documents this API."),
                            "timestamp": time(),
                            "endpoints": array(string()),
                        }
                    ),
                    "What this is",
                )
            },
            codes=[],
            needs_caller=False,
        )
    },
    "/api/health": {
        "get": operation(
            TAG,
            "getHealth",
            "How it is",
            description="Within 2 s in any case. 503, with the state as `data`, while the database does not answer.",
            answers={200: success(_HEALTH, "It works")},
            codes=["DATABASE_UNAVAILABLE"],
            needs_caller=False,
        )
    },
    "/metrics": {
        "get": operation(
            TAG,
            "getMetrics",
            "What this process counts and measures",
            description="For Prometheus: `Authorization: Bearer <METRICS_TOKEN>`, or without such a token only from "
            "the machine itself. Within 2 s in any case.",
            answers={
                200: {
                    "description": "Prometheus' text format 0.0.4",
                    "content": {"text/plain": {"schema": {"type": "string"}}},
                }
            },
            codes=["AUTH_REQUIRED", "INVALID_TOKEN", "FORBIDDEN"],
            needs_caller=False,
        )
    },
    "/api/openapi.json": {
        "get": operation(
            TAG,
            "getOpenApi",
            "This document",
            answers={
                200: {
                    "description": "OpenAPI 3.1, not in an envelope",
                    "content": {"application/json": {"schema": {"type": "object", "required": ["openapi", "paths"]}}},
                }
            },
            codes=[],
            needs_caller=False,
        )
    },
    "/api/docs": _file("getDocs", "This document as a page", "text/html"),
    "/api/docs/page.js": _file("getDocsScript", "The page's script", "text/javascript"),
    "/api/docs/page.css": _file("getDocsStyle", "The page's style", "text/css"),
    "/widget.js": _file("getWidget", "The chat bubble's script, for any site's page", "text/javascript"),
    "/console": _file("getConsole", "The agents' console", "text/html"),
    "/demo": {
        "get": operation(
            TAG,
            "getDemo",
            "A shop's page with the chat bubble",
            description="Not in production.",
            answers={200: _content("The page", "text/html")},
            codes=["NOT_FOUND"],
            needs_caller=False,
        )
    },
    "/web/{version}/{path}": {
        "get": operation(
            TAG,
            "getAsset",
            "A file of the widget, the console or the demo",
            description="The version is in the pages that name the file; any other leads to the present one.",
            parameters=(in_path("version", string()), in_path("path", string("With slashes, such as widget/main.js."))),
            answers={
                200: _content("The file", *sorted(MEDIA_TYPES.values())),
                302: _content("It is at another version", "text/html"),
            },
            codes=["NOT_FOUND"],
            needs_caller=False,
        )
    },
}
