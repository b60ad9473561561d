"""What is said of an agent: who it is, what it may do, and how it signs in."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from chatsupport.documents.agent import DEFAULT_MAX_USERS, ROLES
from chatsupport.errors import InvalidInputError
from chatsupport.payloads import fields
from chatsupport.payloads.fields import Payload
from chatsupport.payloads.text import UNSTORABLE, trimmed

MAX_EMAIL_LENGTH = 254
MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH = 10, 128

_EMAIL = re.compile(r"[^\s@<>()\[\]\\,;:\"\x00-\x1f\x7f]{1,64}@[^\W_](?:[\w.-]{0,186}[^\W_])?")


@dataclass(frozen=True)
class AgentFields:
    """Body of POST /api/agents."""

    name: str
    max_users: int = DEFAULT_MAX_USERS
    is_online: bool = True
    email: str | None = None
    password: str | None = None
    role: str = "agent"


@dataclass(frozen=True)
class AgentChanges:
    """Body of PATCH /api/agents/:id. `given` names the fields that are there; a null takes email or password away."""

    given: frozenset[str] = frozenset()
    name: str | None = None
    max_users: int | None = None
    is_online: bool | None = None
    email: str | None = None
    password: str | None = None
    role: str | None = None
    current_password: str | None = None


@dataclass(frozen=True)
class SignIn:
    """Body of POST /api/auth/login."""

    email: str
    password: str


def agent_fields(data: Payload) -> AgentFields:
    """Read a new agent. Raises INVALID_AGENT, INVALID_EMAIL, INVALID_PASSWORD, INVALID_ROLE."""
    return AgentFields(
        name=fields.agent_name(data.get("name")),
        max_users=fields.max_users(data.get("maxUsers", DEFAULT_MAX_USERS)),
        is_online=fields.is_online(data.get("isOnline", True)),
        email=None if data.get("email") is None else email(data["email"]),
        password=None if data.get("password") is None else new_password(data["password"]),
        role=role(data.get("role", "agent")),
    )


def agent_changes(data: Payload) -> AgentChanges:
    """Read changes of an agent. Raises INVALID_AGENT, INVALID_EMAIL, INVALID_PASSWORD, INVALID_ROLE."""
    names = frozenset(("name", "maxUsers", "isOnline", "email", "password", "role"))
    return AgentChanges(
        given=names.intersection(data),
        name=fields.agent_name(data["name"]) if "name" in data else None,
        max_users=fields.max_users(data["maxUsers"]) if "maxUsers" in data else None,
        is_online=fields.is_online(data["isOnline"]) if "isOnline" in data else None,
        email=None if data.get("email") is None else email(data["email"]),
        password=None if data.get("password") is None else new_password(data["password"]),
        role=role(data["role"]) if "role" in data else None,
        current_password=None if data.get("currentPassword") is None else _password(data["currentPassword"], 1),
    )


def sign_in(data: Payload) -> SignIn:
    """Read a sign-in. Raises INVALID_EMAIL, INVALID_PASSWORD for what no address and no password can be."""
    return SignIn(email=email(data.get("email")), password=_password(data.get("password"), 1))


def email(value: object) -> str:
    """Return an email address, trimmed, in small letters and one form of each letter. Raises INVALID_EMAIL."""
    text = (
        unicodedata.normalize("NFC", trimmed(value[: 2 * MAX_EMAIL_LENGTH])).lower() if isinstance(value, str) else ""
    )
    if len(text) > MAX_EMAIL_LENGTH or UNSTORABLE.search(text) or not _EMAIL.fullmatch(text):
        raise InvalidInputError(
            "INVALID_EMAIL", f"email must be an address like ada@example.com, of at most {MAX_EMAIL_LENGTH} characters."
        )
    return text


def new_password(value: object) -> str:
    """Return a password as it is to be kept. Raises INVALID_PASSWORD."""
    return _password(value, MIN_PASSWORD_LENGTH)


def role(value: object) -> str:
    """Return an agent's role. Raises INVALID_ROLE."""
    if not isinstance(value, str) or value not in ROLES:
        raise InvalidInputError("INVALID_ROLE", f"role must be one of {', '.join(ROLES)}.")
    return value


def _password(value: object, least: int) -> str:
    """Return a password in one form of each letter: keyboards differ in how they write an accent."""
    if (
        not isinstance(value, str)
        or not least <= len(value) <= MAX_PASSWORD_LENGTH
        or UNSTORABLE.search(value) is not None
    ):
        raise InvalidInputError(
            "INVALID_PASSWORD", f"The password must be a string of {least} to {MAX_PASSWORD_LENGTH} characters."
        )
    return unicodedata.normalize("NFKC", value)
