"""The declarations of the REST calls, and the OpenAPI document that is made from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import Field

from chatsupport import __version__, errors
from chatsupport.contract import schemas
from chatsupport.contract.base import Answer, Json, Request, absent

ErrorClass = type[errors.ChatSupportError]
_Class = TypeVar("_Class")

_CALLER: tuple[ErrorClass, ...] = (
    errors.AuthenticationError,
    errors.InvalidTokenError,
    errors.TokenExpiredError,
    errors.InvalidApiKeyError,
    errors.ForbiddenError,
    errors.BlockedError,
    errors.RateLimitedError,
    errors.DatabaseUnavailableError,
)
"""The errors of every call that needs a caller."""
_BODY: tuple[ErrorClass, ...] = (
    errors.InvalidInputError,
    errors.PayloadTooLargeError,
    errors.UnsupportedMediaTypeError,
)
"""The errors of every call with a body."""

_DESCRIPTION = """\
Live chat between a site's visitors and its agents. These calls can do everything. Live updates come over Socket.IO: see
docs/events.md and /api/asyncapi.json.

Every answer is an envelope: `{"success": true, "message", "data"}` or `{"success": false, "code", "message",
"requestId", "details"?}`. Times are ISO 8601 in UTC with milliseconds; ids are strings.
"""

TEXT: Mapping[str, Any] = {"type": "string"}

_STATUSES = {
    400: "The request is invalid",
    401: "The credentials are missing or invalid",
    403: "The caller is not allowed to do this",
    404: "There is no such thing",
    405: "This path does not support the method",
    409: "The state of the session or the agent does not allow this",
    410: "It is not kept any more",
    413: "The body is too large",
    415: "The Content-Type of the body is not JSON",
    429: "Too many requests",
    500: "An error in the server",
    503: "Not possible at the moment; try again later",
}


class Failure(Answer):
    """The envelope of every failure."""

    success: Literal[False]
    code: str = Field(description="The error, for programs. Codes never change.")
    message: str = Field(description="A sentence for people that says what to do.")
    request_id: str = Field(description="Quote it when you ask about this failure.")
    details: list[Any] = absent("The wrong fields, each as {field, message}. For NOT_FOUND, the endpoints.")
    data: Any = absent("Only from /api/health: the state, as in a success.")


@dataclass(frozen=True)
class Says:
    """A success: the message of its envelope, and the data."""

    message: str
    data: type[Answer]
    also: tuple[str, ...] = ()
    """Other media types in which the data is available, by `Accept`."""


@dataclass(frozen=True)
class File:
    """A success without an envelope."""

    description: str
    media_types: tuple[str, ...]
    schema: Mapping[str, Any] = field(default_factory=lambda: TEXT)
    data: type[Answer] | None = None
    """The model of the file as JSON, which is one of its forms."""


Answers = Mapping[int, "Says | File"]


@dataclass(frozen=True)
class Call:
    """One call: its parameters, its answers and its errors."""

    name: str
    documentation: str
    answers: Answers
    path: type[Request]
    body: type[Request] | None = None
    file: str | None = None
    """The name of the file that comes with the body, which is then `multipart/form-data`."""
    query: type[Request] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers that may replace a field of the body, with the field's name."""
    errors: Sequence[ErrorClass] = ()
    needs_caller: bool = True

    def operation(self, tag: str) -> Json:
        """Return its OpenAPI operation."""
        summary, _, description = self.documentation.partition("\n")
        described: Json = {"operationId": self.name, "tags": [tag], "summary": summary.rstrip(".")}
        if description.strip():
            described["description"] = " ".join(description.split())
        parameters = [*self._parameters()]
        if parameters:
            described["parameters"] = parameters
        if self.body is not None:
            described["requestBody"] = _request_body(self.body, self.file)
        if not self.needs_caller:
            described["security"] = []
        answered = {str(status): _answer(answer) for status, answer in self.answers.items()}
        described["responses"] = {**answered, **_failures(self._codes())}
        return described

    def models(self) -> Iterator[type[Answer] | type[Request]]:
        """Return the models of its body and its answers."""
        if self.body is not None:
            yield self.body
        yield from (answer.data for answer in self.answers.values() if answer.data is not None)

    def _parameters(self) -> Iterator[Json]:
        names = {field.validation_alias: name for name, field in self.path.model_fields.items()}
        yield from (_parameter(names[name], "path", schema, True) for name, schema, _ in fields(self.path))
        if self.query is not None:
            yield from (_parameter(name, "query", schema, required) for name, schema, required in fields(self.query))
        body = {name: schema for name, schema, _ in fields(self.body)} if self.body else {}
        yield from (_parameter(name, "header", body[stands_for], False) for name, stands_for in self.headers.items())

    def _codes(self) -> dict[str, int]:
        """Return every error code it may answer, with its status."""
        parts = [part for part in (self.path, self.query, self.body) if part is not None]
        codes = {code: 400 for part in parts for code in part.codes(of_texts=part is not self.body)}
        classes = [error for part in parts for error in part.not_found()]
        if self.path.model_fields:
            classes.append(errors.NotFoundError)
        classes += self.errors
        classes += (*(_BODY if self.body else ()), *(_CALLER if self.needs_caller else ()), errors.InternalError)
        return {**codes, **{error.code: error.status for error in classes}}


def document(
    calls: Iterable[tuple[str, str, str, Call]], tags: Mapping[str, str], webhooks: Mapping[str, Json]
) -> Json:
    """Return the OpenAPI document of these calls, each with its method, its path and its tag; and of these webhooks."""
    paths: dict[str, Json] = {}
    models: list[type[Any]] = [Failure]
    # Including those of events, which fail with the same envelope.
    requests = [model for model in _derived(Request) if model.__module__.startswith("chatsupport.")]
    codes = {error.code for error in all_errors()} | {code for model in requests for code in model.codes()}
    for method, path, tag, call in calls:
        paths.setdefault(path, {})[method.lower()] = call.operation(tag)
        models += call.models()
    components = schemas.components(models)
    components["Failure"]["properties"]["code"]["enum"] = sorted(codes)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Chat Support",
            "version": __version__,
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "security": [{"token": []}, {"apiKey": []}],
        "tags": [{"name": name, "description": description} for name, description in tags.items()],
        "paths": paths,
        **({"webhooks": dict(webhooks)} if webhooks else {}),
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
            "headers": {
                "X-Request-ID": _header("The id of the request: yours if you sent a valid one.", "string"),
                "Retry-After": _header("Seconds after which a retry may succeed.", "integer"),
                "WWW-Authenticate": _header("How to authenticate.", "string"),
            },
        },
    }


def all_errors() -> Iterator[ErrorClass]:
    """Return every error class. Each has a code and the code's status."""
    return _derived(errors.ChatSupportError)


def _derived(base: type[_Class]) -> Iterator[type[_Class]]:
    yield base
    for derived in base.__subclasses__():
        yield from _derived(derived)


def fields(model: type[Request]) -> list[tuple[str, Json, bool]]:
    """Return a request's fields: name, schema without null, whether it is required."""
    schema = schemas.of(model)
    return [
        (name, schemas.plain(field), name in schema.get("required", ()))
        for name, field in schema.get("properties", {}).items()
    ]


def _parameter(name: str, place: str, schema: Json, required: bool) -> Json:
    return {"name": name, "in": place, "required": required, "schema": schema}


def _header(description: str, kind: str) -> Json:
    return {"description": description, "schema": {"type": kind}}


def _headers(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-ID", *names)}


def _request_body(body: type[Request], file: str | None) -> Json:
    schema = schemas.of(body)
    if file is not None:
        form = {
            "type": "object",
            "properties": {file: {"type": "string", "contentMediaType": "application/octet-stream"}},
            "required": [file],
        }
        sent = {"schema": {"allOf": [form, schemas.ref(body)]}, "example": {file: "(its bytes)", **schema["example"]}}
        return {"required": True, "content": {"multipart/form-data": sent}}
    content = {"schema": schemas.ref(body), "example": schema["example"]}
    return {"required": bool(schema.get("required")), "content": {"application/json": content}}


def _answer(answer: Says | File) -> Json:
    if isinstance(answer, File):
        data = {} if answer.data is None else {"application/json": {"schema": schemas.ref(answer.data)}}
        return {"description": answer.description, "content": {**_texts(answer.media_types, answer.schema), **data}}
    envelope = {
        "type": "object",
        "properties": {
            "success": {"const": True},
            "message": {"type": "string"},
            "data": schemas.ref(answer.data),
        },
        "required": ["success", "message", "data"],
        "additionalProperties": False,
    }
    return {
        "description": answer.message,
        "headers": _headers(),
        "content": {"application/json": {"schema": envelope}, **_texts(answer.also)},
    }


def _texts(media_types: Sequence[str], schema: Mapping[str, Any] = TEXT) -> Json:
    return {media_type: {"schema": schema} for media_type in media_types}


def _failures(codes: Mapping[str, int]) -> dict[str, Json]:
    return {
        str(status): _failure(status, [code for code in codes if codes[code] == status])
        for status in sorted(set(codes.values()))
    }


def _failure(status: int, codes: list[str]) -> Json:
    more = {401: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"]}.get(status, [])
    only = {"type": "object", "properties": {"code": {"enum": codes}}}
    return {
        "description": f"{_STATUSES[status]}: {', '.join(codes)}",
        "headers": _headers(*more),
        "content": {"application/json": {"schema": {"allOf": [schemas.ref(Failure), only]}}},
    }
