"""Requests and answers about departments."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from chatsupport.contract.base import Answer, Code, Request, absent, example, page
from chatsupport.contract.fields import BotId, Digits, Id, Text, Time
from chatsupport.contract.people import NameCursor
from chatsupport.documents.department import MAX_DEPARTMENTS, MAX_NAME, MAX_OVERFLOW_SECONDS
from chatsupport.errors import ConflictError

_OVERFLOW = "After so many seconds, every agent may have a waiting session of this department. null: never."
_BOT = "The bot that gets its new sessions first. null: the bot of the settings, if there is one."

DepartmentName = Annotated[str, Text(MAX_NAME), Code("INVALID_DEPARTMENT")]
OverflowAfter = Annotated[int, Field(ge=1, le=MAX_OVERFLOW_SECONDS), Code("INVALID_DEPARTMENT")]
DepartmentBotId = Annotated[BotId, Code("INVALID_DEPARTMENT")]


class DepartmentTakenError(ConflictError):
    """Another department has this name."""

    code = "DEPARTMENT_TAKEN"

    def __init__(self) -> None:
        super().__init__("Another department already has this name. Choose another one.")


class NewDepartment(Request):
    """A new department."""

    name: DepartmentName = Field(description="It is unique. Capitals do not matter.")
    overflow_after: OverflowAfter | None = absent(_OVERFLOW)
    bot_id: DepartmentBotId | None = absent(_BOT)

    model_config = example(name="Sales", overflowAfter=120)


class DepartmentChanges(Request):
    """Changes of a department. `given` names the fields that are present."""

    name: DepartmentName = absent()
    overflow_after: OverflowAfter | None = absent(_OVERFLOW)
    bot_id: DepartmentBotId | None = absent(_BOT)

    model_config = example(overflowAfter=None)


class DepartmentPage(Request):
    """The page of the list of departments."""

    limit: Annotated[
        int,
        Field(ge=1, le=MAX_DEPARTMENTS, description="The largest number of departments."),
        Digits,
        Code("INVALID_LIMIT"),
    ] = MAX_DEPARTMENTS
    cursor: NameCursor | None = None


class Department(Answer):
    """A department. Users get only `id` and `name`."""

    id: Id
    name: str
    overflow_after: int | None = absent(_OVERFLOW)
    bot_id: Id | None = absent()
    created_at: Time = absent()
    updated_at: Time = absent()


Departments = page("Departments", "departments", Department)
