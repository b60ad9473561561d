"""What the descriptions of calls are put together from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

STATUS_OF_CODE = {
    **dict.fromkeys(
        """
        INVALID_JSON INVALID_REQUEST INVALID_USER_ID INVALID_USER_TYPE INVALID_MESSAGE MESSAGE_TOO_LONG
        INVALID_SENDER_ID INVALID_SENDER_TYPE INVALID_LIMIT INVALID_OFFSET INVALID_CURSOR INVALID_REASON
        INVALID_CLIENT_MESSAGE_ID INVALID_AGENT INVALID_SESSION_ID INVALID_STATUS INVALID_ADDRESS INVALID_EXPIRY
        INVALID_ACTION INVALID_EMAIL INVALID_PASSWORD INVALID_ROLE INVALID_RANGE INVALID_BUCKET
        INVALID_GUEST_TOKEN
        """.split(),
        400,
    ),
    **dict.fromkeys("AUTH_REQUIRED INVALID_TOKEN TOKEN_EXPIRED INVALID_API_KEY INVALID_CREDENTIALS".split(), 401),
    **dict.fromkeys("FORBIDDEN INVALID_USER_HASH BLOCKED".split(), 403),
    **dict.fromkeys("NOT_FOUND SESSION_NOT_FOUND AGENT_NOT_FOUND BLOCK_NOT_FOUND".split(), 404),
    "METHOD_NOT_ALLOWED": 405,
    **dict.fromkeys("SESSION_ENDED AGENT_BUSY AGENT_AT_CAPACITY EMAIL_TAKEN".split(), 409),
    "PAYLOAD_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "RATE_LIMITED": 429,
    "INTERNAL_ERROR": 500,
    **dict.fromkeys("DATABASE_UNAVAILABLE QUEUE_FULL".split(), 503),
}
"""Every code a failure can have, and the HTTP status that goes with it."""

CALLER = """AUTH_REQUIRED INVALID_TOKEN TOKEN_EXPIRED INVALID_API_KEY BLOCKED RATE_LIMITED DATABASE_UNAVAILABLE
    INTERNAL_ERROR""".split()
"""What every call that needs a caller may answer."""
BODY = "INVALID_JSON PAYLOAD_TOO_LARGE UNSUPPORTED_MEDIA_TYPE".split()
"""What every call with a body may answer."""

_TITLES = {
    400: "Something that was sent cannot be used",
    401: "Nobody we know is calling",
    403: "A known caller, but not for this",
    404: "Not there",
    405: "This path takes other methods",
    409: "Not in the state that session or agent is in",
    413: "The body is too large",
    415: "The body is not declared as JSON",
    429: "Too often",
    500: "A defect of the server",
    503: "Not at this moment; try again",
}


def text(low: int, high: int, description: str = "", **more: Any) -> Json:
    """Describe a string of so many characters."""
    return _described({"type": "string", "minLength": low, "maxLength": high, **more}, description)


def string(description: str = "", **more: Any) -> Json:
    """Describe a string."""
    return _described({"type": "string", **more}, description)


def choice(*values: str, description: str = "", **more: Any) -> Json:
    """Describe one of several strings."""
    return _described({"type": "string", "enum": list(values), **more}, description)


def integer(low: int, high: int | None = None, description: str = "", **more: Any) -> Json:
    """Describe a whole number."""
    bounds = {"minimum": low} if high is None else {"minimum": low, "maximum": high}
    return _described({"type": "integer", **bounds, **more}, description)


def number(description: str = "") -> Json:
    """Describe a number."""
    return _described({"type": "number"}, description)


def boolean(description: str = "") -> Json:
    """Describe a truth."""
    return _described({"type": "boolean"}, description)


def time(description: str = "") -> Json:
    """Describe a time: ISO 8601 in UTC with milliseconds."""
    pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$"
    return _described({"type": "string", "format": "date-time", "pattern": pattern}, description)


def identifier(description: str = "") -> Json:
    """Describe an id that the server made."""
    return _described({"type": "string", "pattern": "^[0-9a-f]{24}$"}, description)


def array(items: Json, description: str = "") -> Json:
    """Describe a list."""
    return _described({"type": "array", "items": items}, description)


def nothing_or(schema: Json) -> Json:
    """Describe what may be null."""
    return {"anyOf": [schema, {"type": "null"}]}


def ref(name: str) -> Json:
    """Refer to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(properties: Mapping[str, Json], optional: tuple[str, ...] = (), description: str = "") -> Json:
    """Describe an object as the server makes it: these properties and no others, all there but the optional ones."""
    required = [name for name in properties if name not in optional]
    schema = {"type": "object", "properties": dict(properties), "required": required, "additionalProperties": False}
    return _described(schema, description)


def body(properties: Mapping[str, Json], required: tuple[str, ...] = ()) -> Json:
    """Describe a request's body. Fields that are not described are ignored."""
    schema: Json = {"type": "object", "properties": dict(properties)}
    if required:
        schema["required"] = list(required)
    return {"required": bool(required), "content": {"application/json": {"schema": schema}}}


def query(name: str, schema: Json) -> Json:
    """Describe a parameter of the query string."""
    return {"name": name, "in": "query", "required": False, "schema": schema}


def header(name: str, schema: Json) -> Json:
    """Describe a header of the request."""
    return {"name": name, "in": "header", "required": False, "schema": schema}


def in_path(name: str, schema: Json) -> Json:
    """Describe a part of the path."""
    return {"name": name, "in": "path", "required": True, "schema": schema}


def success(data: Json, description: str) -> Json:
    """Describe a success envelope."""
    envelope = record({"success": {"const": True}, "message": string(), "data": data})
    return {
        "description": description,
        "headers": {"X-Request-ID": {"$ref": "#/components/headers/RequestId"}},
        "content": {"application/json": {"schema": envelope}},
    }


def operation(
    tag: str,
    name: str,
    summary: str,
    *,
    answers: Mapping[int, Json],
    codes: list[str],
    description: str = "",
    parameters: tuple[Json, ...] = (),
    request_body: Json | None = None,
    needs_caller: bool = True,
) -> Json:
    """Describe one call: its input, its answers and every code it may fail with."""
    described: Json = {"operationId": name, "tags": [tag], "summary": summary}
    if description:
        described["description"] = description
    if parameters:
        described["parameters"] = list(parameters)
    if request_body is not None:
        described["requestBody"] = request_body
        codes = [*codes, *BODY]
    codes = [*codes, *CALLER] if needs_caller else [*codes, "INTERNAL_ERROR"]
    if not needs_caller:
        described["security"] = []
    answered = {str(status): answer for status, answer in answers.items()}
    described["responses"] = {**answered, **_failures(codes)}
    return described


def _failures(codes: list[str]) -> dict[str, Json]:
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys(codes):
        by_status.setdefault(STATUS_OF_CODE[code], []).append(code)
    return {str(status): _failure(status, by_status[status]) for status in sorted(by_status)}


def _failure(status: int, codes: list[str]) -> Json:
    schema = {"allOf": [ref("Failure"), {"type": "object", "properties": {"code": {"enum": codes}}}]}
    headers = {"X-Request-ID": {"$ref": "#/components/headers/RequestId"}}
    if status in (429, 503):
        headers["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
    if status == 401:
        headers["WWW-Authenticate"] = {"$ref": "#/components/headers/Authenticate"}
    return {
        "description": f"{_TITLES[status]}: {', '.join(codes)}",
        "headers": headers,
        "content": {"application/json": {"schema": schema}},
    }


def _described(schema: Json, description: str) -> Json:
    return {**schema, "description": description} if description else schema
