"""What a whole request or event says, as one typed value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from chatsupport.documents.message import SENDER_TYPES
from chatsupport.errors import InvalidInputError
from chatsupport.identity import canonical_id
from chatsupport.payloads import fields
from chatsupport.payloads.fields import Payload


@dataclass(frozen=True)
class TokenRequest:
    """Body of POST /api/auth/token. Without a `user_id`, a new guest asks."""

    user_id: str | None
    user_type: str
    user_hash: str | None


@dataclass(frozen=True)
class StartSession:
    """Body of POST /api/chat/start-session."""

    user_id: str
    user_type: str


@dataclass(frozen=True)
class SessionEnd:
    """Why a session ends: body of end-session, payload of `end_session`."""

    reason: str
    """What the user is told."""
    internal_reason: str | None = None
    """What only staff see."""


@dataclass(frozen=True)
class NewMessage:
    """What a client wants to say: body of send-message, payload of `send_message`."""

    text: str
    client_message_id: str | None
    sender_id: str | None
    sender_type: str | None


@dataclass(frozen=True)
class SessionFilter:
    """Which sessions a list shows, and from where on."""

    status: str | None
    agent_id: ObjectId | None
    user_id: str | None
    limit: int
    cursor: tuple[datetime, ObjectId] | None


@dataclass(frozen=True)
class Page:
    """Which part of a history: by offset, or after or before a seq."""

    limit: int
    offset: int
    after: int | None
    before: int | None


def token_request(data: Payload) -> TokenRequest:
    """Read the body of a token request: for a userId, or with `guest` for one that the server makes."""
    guest = data.get("guest", False)
    if not isinstance(guest, bool) or (guest and data.get("userId") is not None):
        raise InvalidInputError("INVALID_USER_ID", "Give either a userId, or guest: true to get a new id.")
    if guest:
        return TokenRequest(user_id=None, user_type=fields.user_type(data, ("user",)), user_hash=None)
    user_hash = data.get("userHash")
    return TokenRequest(
        user_id=fields.user_id(data),
        user_type=fields.user_type(data, ("user", "agent", "system")),
        user_hash=user_hash if isinstance(user_hash, str) else None,
    )


def guest_token(data: Payload) -> str:
    """Read the guest's token that is to be identified. Raises INVALID_GUEST_TOKEN."""
    value = data.get("guestToken")
    if not isinstance(value, str) or not value:
        raise InvalidInputError("INVALID_GUEST_TOKEN", "guestToken is required: the token of the guest you were.")
    return value


def start_session(data: Payload) -> StartSession:
    """Read the body of a session's start."""
    user_type = fields.user_type(data, ("user", "agent"))
    return StartSession(user_id=canonical_id(fields.user_id(data), user_type), user_type=user_type)


def with_idempotency_key(data: Payload, key: str | None) -> Payload:
    """Make the request's Idempotency-Key the `clientMessageId` of a message that has none."""
    return {**data, "clientMessageId": key} if key and data.get("clientMessageId") is None else data


def session_end(data: Payload) -> SessionEnd:
    """Return why a session ends. Raises INVALID_REASON."""
    return SessionEnd(
        reason=fields.reason(data, "reason") or fields.DEFAULT_END_REASON,
        internal_reason=fields.reason(data, "internalReason"),
    )


def new_message(data: Payload) -> NewMessage:
    """Read a message. Raises INVALID_MESSAGE, MESSAGE_TOO_LONG, INVALID_CLIENT_MESSAGE_ID, INVALID_SENDER_…"""
    return NewMessage(
        text=fields.message_text(data),
        client_message_id=fields.optional_text(
            data, "clientMessageId", fields.MAX_CLIENT_MESSAGE_ID_LENGTH, "INVALID_CLIENT_MESSAGE_ID"
        ),
        sender_id=fields.optional_person_id(data, "senderId", "INVALID_SENDER_ID"),
        sender_type=fields.optional_choice(data, "senderType", SENDER_TYPES, "INVALID_SENDER_TYPE"),
    )


def session_filter(query: Payload) -> SessionFilter:
    """Read what a list of sessions shall show from a query string."""
    return SessionFilter(
        status=fields.status(query),
        agent_id=fields.optional_agent_id(query),
        user_id=fields.optional_person_id(query, "userId", "INVALID_USER_ID"),
        limit=fields.limit(query),
        cursor=fields.list_cursor(query),
    )


def page(query: Payload) -> Page:
    """Read the paging of a history from a query string."""
    after, before = fields.cursor(query.get("after"), "after"), fields.cursor(query.get("before"), "before")
    if after is not None and before is not None:
        raise InvalidInputError("INVALID_CURSOR", "Give either after or before, not both.")
    return Page(limit=fields.limit(query), offset=fields.offset(query), after=after, before=before)
