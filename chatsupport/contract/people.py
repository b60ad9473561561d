"""Requests and answers about tokens, sign-ins and agents."""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Collection
from typing import Annotated, Any, Literal

from bson import ObjectId
from bson.errors import InvalidId
from pydantic import BeforeValidator, Field, model_validator

from chatsupport.contract.base import Answer, Code, Reads, Request, about, absent, example, page, record, refused
from chatsupport.contract.fields import (
    NEXT_CURSOR,
    PAGE_BEFORE,
    Count,
    DepartmentId,
    Digits,
    Id,
    PersonId,
    PersonType,
    Text,
    Time,
    UserType,
    null_is,
)
from chatsupport.contract.text import UNSTORABLE, trimmed
from chatsupport.documents.agent import (
    BOT,
    DEFAULT_MAX_USERS,
    MAX_USERS_LIMIT,
    MAX_USERS_OF_BOT,
)
from chatsupport.documents.department import MAX_DEPARTMENTS
from chatsupport.identity import Caller

MAX_AGENTS_PAGE = 1000
MAX_EMAIL_LENGTH = 254
MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH = 10, 128

_EMAIL = re.compile(r"[^\s@<>()\[\]\\,;:\"\x00-\x1f\x7f]{1,64}@[^\W_](?:[\w.-]{0,186}[^\W_])?")


def email(value: Any) -> str:
    """Return an email address, trimmed, in small letters and normalized. Raises `ValueError`."""
    text = (
        unicodedata.normalize("NFC", trimmed(value[: 2 * MAX_EMAIL_LENGTH])).lower() if isinstance(value, str) else ""
    )
    if len(text) > MAX_EMAIL_LENGTH or UNSTORABLE.search(text) or not _EMAIL.fullmatch(text):
        raise ValueError
    return text


class Password(Reads):
    """A password, normalized because keyboards differ in how they write accents."""

    def __init__(self, least: int) -> None:
        super().__init__(self._password, minLength=least, maxLength=MAX_PASSWORD_LENGTH, format="password")
        self.least = least

    def _password(self, value: Any) -> str:
        if (
            not isinstance(value, str)
            or not self.least <= len(value) <= MAX_PASSWORD_LENGTH
            or UNSTORABLE.search(value) is not None
        ):
            raise ValueError(f"must be a string of {self.least} to {MAX_PASSWORD_LENGTH} characters.")
        return unicodedata.normalize("NFKC", value)


Role = Annotated[Literal["agent", "supervisor"], Code("INVALID_ROLE")]
Email = Annotated[
    str,
    Reads(
        email,
        f"an address such as ada@example.com, of at most {MAX_EMAIL_LENGTH} characters",
        minLength=3,
        maxLength=MAX_EMAIL_LENGTH,
    ),
    Code("INVALID_EMAIL"),
]
NewPassword = Annotated[str, Password(MIN_PASSWORD_LENGTH), Code("INVALID_PASSWORD")]
OldPassword = Annotated[str, Password(1), Code("INVALID_PASSWORD")]
AgentName = Annotated[str, Text(100), Code("INVALID_AGENT")]
MaxUsers = Annotated[int, Field(ge=1, le=MAX_USERS_OF_BOT), Code("INVALID_AGENT")]
Kind = Annotated[Literal["human", "bot"], Code("INVALID_AGENT")]
_DEPARTMENTS = "The departments whose sessions it may have. null: all; []: only sessions without one."
IsOnline = Annotated[bool, Code("INVALID_AGENT")]
DepartmentIds = Annotated[list[DepartmentId], Field(max_length=MAX_DEPARTMENTS), Code("INVALID_DEPARTMENT")]
_TOKEN = "A JWT, for `Authorization: Bearer <token>` and for a socket's `auth: {token}`."  # noqa: S105
_MAX_USERS = f"How many sessions it can have at once: a person at most {MAX_USERS_LIMIT}, a bot {MAX_USERS_OF_BOT}."
_KIND = "`bot` for a program: it has no sign-in, and gets new sessions where `botId` names it. It cannot be changed."
_IS_ONLINE = "Whether it accepts sessions."
_EMAIL_USE = "The address for signing in, unique among agents. It is trimmed and stored in small letters."


class TokenRequest(Request):
    """A token to be made: for a `userId`, or with `guest` for an id that the server makes."""

    user_id: PersonId | None = absent("Required unless `guest` is true.")
    guest: Annotated[bool, null_is(False), Code("INVALID_USER_ID")] = Field(
        default=False, description="If true, the server makes a `userId` that nobody can guess."
    )
    user_type: UserType = "user"
    user_hash: Annotated[str | None, BeforeValidator(lambda value: value if isinstance(value, str) else None)] = absent(
        "The hex HMAC-SHA256(IDENTITY_SECRET, userId). Required for a user if IDENTITY_SECRET is set and "
        "the call has no API key."
    )

    model_config = example(userId="visitor-1")

    @model_validator(mode="after")
    def _is_of_somebody(self) -> TokenRequest:
        if self.guest == (self.user_id is not None):
            raise refused("userId", "INVALID_USER_ID", "Give either a userId, or guest: true to get a new id.")
        if self.guest and self.user_type != "user":
            raise refused("userType", "INVALID_USER_TYPE", "userType must be user for a guest, or left out.")
        return self


class Person(Request):
    """A person."""

    user_id: PersonId
    user_type: UserType = "user"

    model_config = example(userId="visitor-1", userType="user")

    @property
    def caller(self) -> Caller:
        """The person as a caller. An agent's id has its standard spelling."""
        return Caller(self.user_id, self.user_type)


class GuestToken(Request):
    """The guest that the caller was before."""

    guest_token: Annotated[
        str,
        Field(min_length=1, description="The guest's token. It may have expired up to 90 days ago."),
        Code("INVALID_GUEST_TOKEN"),
    ]

    model_config = example(guestToken="eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.…")


class AgentEmail(Request):
    """An agent's sign-in."""

    email: Email = Field(description="It is trimmed. Capitals do not matter.")


class SignIn(AgentEmail):
    """An agent's email and password."""

    password: OldPassword

    model_config = example(email="ada@example.com", password="correct horse battery")  # noqa: S106 an example


class AgentFields(Request):
    """A new agent."""

    name: AgentName = Field(description="Names need not be unique.")
    kind: Kind = Field(default="human", description=_KIND)
    max_users: MaxUsers = Field(default=DEFAULT_MAX_USERS, description=_MAX_USERS)
    is_online: IsOnline = Field(default=True, description=_IS_ONLINE)
    email: Email | None = absent(_EMAIL_USE)
    password: NewPassword | None = absent("Stored as an argon2id hash.")
    role: Role = "agent"
    department_ids: DepartmentIds | None = absent(_DEPARTMENTS)

    model_config = example(name="Ada", maxUsers=3, email="ada@example.com", password="correct horse battery")  # noqa: S106 an example

    @model_validator(mode="after")
    def _is_of_its_kind(self) -> AgentFields:
        has = {"email": self.email, "password": self.password, "role": self.role != "agent" or None}
        check_kind(self.kind, self.max_users, [name for name, value in has.items() if value is not None])
        return self


def check_kind(kind: str, max_users: int | None, given: Collection[str]) -> None:
    """Raise `InvalidInputError` for values of an agent that agents of this kind do not have."""
    if kind == BOT:
        for name in ("email", "password", "role"):
            if name in given:
                raise refused(name, "INVALID_AGENT", f"A bot has no {name}. Leave it out.")
    elif max_users is not None and max_users > MAX_USERS_LIMIT:
        raise refused("maxUsers", "INVALID_AGENT", f"maxUsers must be a whole number from 1 to {MAX_USERS_LIMIT}.")


class AgentChanges(Request):
    """Changes of an agent. `given` names the fields that are present; null removes the email or the password."""

    name: AgentName = absent()
    max_users: MaxUsers = absent(_MAX_USERS)
    is_online: IsOnline = absent(_IS_ONLINE)
    email: Email | None = absent("null removes it.")
    password: NewPassword | None = absent("null removes it.")
    role: Role = absent()
    department_ids: DepartmentIds | None = absent(_DEPARTMENTS)
    current_password: OldPassword | None = absent("Required to change your own password or email.")

    model_config = example(isOnline=False)


class Token(Answer):
    """A token."""

    user_id: str = absent("The new guest's id.")
    token: str = Field(description=_TOKEN)
    token_type: Literal["Bearer"]
    expires_in_seconds: Count
    expires_in_days: Count


class Agent(Answer):
    """An agent, as shown to callers who manage agents."""

    id: Id
    name: str
    kind: Kind
    max_users: MaxUsers = Field(description=_MAX_USERS)
    active_users: list[str] = Field(description="The users of its open sessions.")
    is_online: bool = Field(description=_IS_ONLINE)
    is_away: bool = Field(description="True if its sockets have been gone for longer than AGENT_GRACE.")
    email: str | None = Field(description="The address for signing in, in small letters.")
    role: Literal["agent", "supervisor"]
    department_ids: list[Id] | None = Field(description=_DEPARTMENTS)
    created_at: Time | None


def _name_cursor(value: Any) -> tuple[str, ObjectId]:
    try:
        agent_id, name = str(value).split("-", 1)
        return base64.b64decode(name, altchars=b"-_", validate=True).decode(), ObjectId(agent_id)
    except (ValueError, InvalidId):
        raise ValueError from None  # Not with the text, which may be personal.


NameCursor = Annotated[
    tuple[str, ObjectId], Reads(_name_cursor, NEXT_CURSOR, description=PAGE_BEFORE), Code("INVALID_CURSOR")
]


class AgentPage(Request):
    """The page of the list of agents."""

    limit: Annotated[
        int, Field(ge=1, le=MAX_AGENTS_PAGE, description="The largest number of agents."), Digits, Code("INVALID_LIMIT")
    ] = MAX_AGENTS_PAGE
    cursor: NameCursor | None = None


SignedIn = record(
    "SignedIn", token=about(str, _TOKEN), token_type=Literal["Bearer"], expires_in_seconds=Count, agent=Agent
)
_OFFERED = record("OfferedAgent", id=Id, name=str)
SignInOptions = record(
    "SignInOptions",
    development=bool,
    agents=about(list[_OFFERED], "Sorted by name, at most 100."),  # type: ignore[valid-type]
)
Identified = record(
    "Identified",
    session_id=about(Id | None, "The user's open session."),
    sessions=about(Count, "How many sessions the guest had."),
)
Revoked = record("Revoked", user_id=str, user_type=PersonType, revoked_up_to=Time)
Agents = page("Agents", "agents", Agent)
Deleted = record("Deleted", id=Id)
Nothing = record("Nothing")
