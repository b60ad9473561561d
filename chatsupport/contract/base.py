"""The base of every model of the contract: its names on the wire, and how a request is read or refused.

Reading a request gives a typed value, or the error of its first wrong field. A wrong type is never coerced: an operator
like {"$gt": ""} in place of a string is refused here and reaches no query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Annotated, Any, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PrivateAttr,
    ValidationError,
    create_model,
)
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema

from chatsupport import session_parts
from chatsupport.contract import schemas
from chatsupport.errors import ChatSupportError, InvalidInputError

Json = dict[str, Any]
Payload = Mapping[str, Any]
MAX_DETAILS = 20
"""At most this many fields are named: a list may have thousands of wrong entries."""
Note = TypeVar("Note")
Own = TypeVar("Own", bound="Request")
Open = TypeVar("Open", bound="OpenRequest")


class Code:
    """The error code for a wrong field, and another one for a text that is too long, if there is one."""

    def __init__(self, code: str, *, too_long: str | None = None) -> None:
        self.code = code
        self.too_long = too_long


class Reads:
    """How a kind of field is read. `read` returns the value or raises `ValueError`, whose text completes "<field> …".

    Without a text the error says that the field must be `wording`; without a `wording`, what the schema says.
    """

    not_found: type[ChatSupportError] | None = None
    """The error that is raised for a text of the wrong form, instead of the field's code."""

    def __init__(self, read: Callable[[Any], Any], wording: str | None = None, **schema: Any) -> None:
        self.read = read
        self.wording = wording
        self.schema = {"type": "string", **schema}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Json:
        return dict(self.schema)


def too_long(most: int) -> Exception:
    """Return the error for a text that is too long."""
    return PydanticCustomError("too_long", f"must have at most {most} characters.")


def refused(field: str, code: str, sentence: str) -> InvalidInputError:
    """Return the error for a field that does not go with the others."""
    return InvalidInputError(code, sentence, details=[{"field": field, "message": sentence}])


def example(**fields: Any) -> ConfigDict:
    """Return the `model_config` of a request, with an example of it as it is sent."""
    return ConfigDict(json_schema_extra={"example": fields})


def absent(description: str | None = None) -> Any:
    """Return the default of a field that may be left out. Its type says whether it may be null."""
    return Field(default=None, description=description)


class Model(BaseModel):
    """An object of the contract. Its fields are camelCase on the wire."""

    # Validators are built when they are first used: a command needs few of them, and a server none of the answers'.
    model_config = ConfigDict(
        alias_generator=to_camel, frozen=True, strict=True, validate_by_name=True, defer_build=True
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Json:
        described = handler.resolve_ref_schema(handler(schema))
        for model in session_parts.fields_of(cls):
            more = handler.resolve_ref_schema(handler(model.__pydantic_core_schema__))
            for key in {"properties", "example"} & more.keys():
                described[key] = {**described.get(key, {}), **more[key]}
        return described


class Answer(Model):
    """An object that the server sends. `serializers` builds it, with exactly the fields of the model."""

    model_config = ConfigDict(extra="forbid")


def record(name: str, /, **fields: Any) -> type[Answer]:
    """Return the model of a small answer, from its fields and their types. A type of null is `None`."""
    definitions: Any = {field: (kind, ...) for field, kind in fields.items()}
    model: type[Answer] = create_model(name, __base__=Answer, **definitions)
    return model


def about(kind: Any, description: str) -> Any:
    """Return a field's type with a description of the field."""
    return Annotated[kind, Field(description=description)]


def page(name: str, items: str, item: type[Answer]) -> type[Answer]:
    """Return the model of one page of a list, with the cursor of the next page."""
    return record(name, **{items: list[item]}, has_more=bool, next_cursor=str | None)  # type: ignore[valid-type]


class Request(Model):
    """An object that a client sends. Unknown fields are ignored."""

    @classmethod
    def parse(cls: type[Own], data: Payload) -> Own:
        """Return the client's request. Raises the error of the first wrong field."""
        try:
            read: Own = cls.__pydantic_validator__.validate_python(data, by_alias=True, by_name=False)
            return read
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
        # A field that is left out gets no default if the default depends on a wrong field.
        raise _refusal(cls, [problem for problem in found if problem["type"] != "default_factory_not_called"])

    def __repr__(self) -> str:
        """Return only the model's name: the fields may hold a password or a person's message."""
        return f"{type(self).__name__}(…)"

    __str__ = __repr__

    @classmethod
    def codes(cls, *, of_texts: bool = False) -> list[str]:
        """Return the error codes of all fields, in their order. `of_texts` says that all values are texts."""
        codes: list[str | None] = []
        for notes in _notes(cls).values():
            code = _last(notes, Code)
            if code is not None and not (of_texts and _not_found(notes)):
                codes += [code.code, code.too_long]
        return [code for code in dict.fromkeys(codes) if code]

    @classmethod
    def not_found(cls) -> list[type[ChatSupportError]]:
        """Return the errors for ids that name nothing."""
        return [error for error in map(_not_found, _notes(cls).values()) if error]

    @property
    def given(self) -> set[str]:
        """The names of the fields that the client sent, also those that are null."""
        return self.model_fields_set


class OpenRequest(Request):
    """An object that a client sends, with further fields of features (`session_parts.py`)."""

    _more: dict[type[Request], Request] = PrivateAttr(default_factory=dict)

    @classmethod
    def parse(cls: type[Open], data: Payload) -> Open:
        """Return the client's request, with the core's fields first. Raises the error of the first wrong field."""
        read = super().parse(data)
        for model in session_parts.fields_of(cls):
            read._more[model] = model.parse(data)
        return read

    def more(self, model: type[Own]) -> Own:
        """Return the fields of a feature in the client's request."""
        given = self._more.get(model)
        return given if isinstance(given, model) else model.parse({})

    @classmethod
    def codes(cls, *, of_texts: bool = False) -> list[str]:
        """Return the error codes of all fields, including those of the features' fields."""
        more = [code for model in session_parts.fields_of(cls) for code in model.codes(of_texts=of_texts)]
        return list(dict.fromkeys([*super().codes(of_texts=of_texts), *more]))


@cache
def _notes(model: type[Model]) -> dict[str, list[Any]]:
    """Return the annotations of each field, by the field's name on the wire; the outermost comes last."""
    return {str(field.validation_alias or name): list(_notes_of(field)) for name, field in model.model_fields.items()}


def _notes_of(field: FieldInfo) -> Iterator[Any]:
    for choice in get_args(field.annotation):
        yield from getattr(choice, "__metadata__", ())
    yield from field.metadata


def _last(notes: list[Any], kind: type[Note]) -> Note | None:
    return next((note for note in reversed(notes) if isinstance(note, kind)), None)


def _not_found(notes: list[Any]) -> type[ChatSupportError] | None:
    reads = _last(notes, Reads)
    return reads.not_found if reads else None


def _refusal(model: type[Request], problems: list[ErrorDetails]) -> ChatSupportError:
    """Return the error of the first wrong field. Its details name the others too."""
    first = problems[0]
    notes = _notes(model)[str(first["loc"][0])]
    not_found = _not_found(notes)
    if first["type"] == "not_found" and not_found is not None:
        return not_found()  # type: ignore[call-arg]
    details = [{"field": _name(problem), "message": _sentence(model, problem)} for problem in problems[:MAX_DETAILS]]
    found = _last(notes, Code) or Code(InvalidInputError.code)
    code = (first["type"] == "too_long" and found.too_long) or found.code
    return InvalidInputError(code, details[0]["message"], details=details)


def _name(problem: ErrorDetails) -> str:
    return ".".join(str(part) for part in problem["loc"])


def _sentence(model: type[Request], problem: ErrorDetails) -> str:
    """Return what to do about a wrong field."""
    name, said = _name(problem), problem.get("ctx", {}).get("error")
    if problem["type"] == "too_long" and "max_length" in problem.get("ctx", {}):
        return f"{name} must have at most {problem['ctx']['max_length']} entries."
    if problem["type"] in ("too_long", "not_found") or (isinstance(said, ValueError) and str(said)):
        return f"{name} {said or problem['msg']}"
    reads = _last(_notes(model)[name], Reads) if name in _notes(model) else None
    wording = (reads and reads.wording) or schemas.worded(schemas.at(model, problem["loc"]))
    return f"{name} {'is required and ' if problem['type'] == 'missing' else ''}must be {wording}."
