"""What operators send: whom to revoke, block, export or erase, and what to list."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from chatsupport import addresses
from chatsupport.errors import BlockNotFoundError, InvalidInputError
from chatsupport.identity import CALLER_TYPES, Caller
from chatsupport.payloads import fields
from chatsupport.payloads.fields import Payload

MAX_BLOCK_SECONDS = 10 * 365 * 24 * 3600
MAX_ACTION_LENGTH = 40
ERASABLE_TYPES = ("user", "agent")


@dataclass(frozen=True)
class NewBlock:
    """Body of POST /api/blocks: a person or an address."""

    person: Caller | None
    address: str | None
    reason: str | None
    expires_in_seconds: int | None


@dataclass(frozen=True)
class ListPage:
    """Which page of a list."""

    limit: int
    cursor: tuple[datetime, ObjectId] | None


@dataclass(frozen=True)
class AuditFilter:
    """Which entries of the audit log a list shows, and from where on."""

    action: str | None
    user_id: str | None
    agent_id: ObjectId | None
    session_id: ObjectId | None
    limit: int
    cursor: tuple[datetime, ObjectId] | None


def person(data: Payload) -> Caller:
    """Read `userId` and `userType`, by default `user`."""
    return Caller(fields.user_id(data), fields.user_type(data, CALLER_TYPES))


def erasable_person(user_id: str, query: Payload) -> Caller:
    """Read whose data is meant from a path and a query string."""
    return Caller(fields.user_id({"userId": user_id}), fields.user_type(query, ERASABLE_TYPES))


def stored_person(query: Payload) -> Caller:
    """Read whose data is meant from a query string: any id that is stored, also one that would be refused today."""
    return Caller(fields.stored_user_id(query), fields.user_type(query, ERASABLE_TYPES))


def new_block(data: Payload) -> NewBlock:
    """Read a block. Raises INVALID_USER_ID, INVALID_USER_TYPE, INVALID_ADDRESS, INVALID_REASON, INVALID_EXPIRY."""
    address = data.get("address")
    if address is not None and data.get("userId") is not None:
        raise InvalidInputError("INVALID_ADDRESS", "Give either userId or address, not both.")
    return NewBlock(
        person=None if address is not None else person(data),
        address=None if address is None else _address(address),
        reason=fields.optional_text(data, "reason", fields.MAX_REASON_LENGTH, "INVALID_REASON"),
        expires_in_seconds=_expires_in(data.get("expiresInSeconds")),
    )


def block_id(value: object) -> ObjectId:
    """Return a block's id from a path. What is not an id is no block either: BLOCK_NOT_FOUND."""
    if isinstance(value, str) and ObjectId.is_valid(value):
        return ObjectId(value)
    raise BlockNotFoundError


def list_page(query: Payload) -> ListPage:
    """Read the paging of a list from a query string."""
    return ListPage(limit=fields.limit(query), cursor=fields.list_cursor(query))


def audit_filter(query: Payload) -> AuditFilter:
    """Read which audit entries to show from a query string."""
    session_id = query.get("sessionId")
    if session_id is not None and not ObjectId.is_valid(session_id):
        raise InvalidInputError("INVALID_SESSION_ID", "sessionId must be a session's id, or left out.")
    return AuditFilter(
        action=fields.optional_text(query, "action", MAX_ACTION_LENGTH, "INVALID_ACTION"),
        user_id=fields.optional_person_id(query, "userId", "INVALID_USER_ID"),
        agent_id=fields.optional_agent_id(query),
        session_id=None if session_id is None else ObjectId(session_id),
        limit=fields.limit(query),
        cursor=fields.list_cursor(query),
    )


def _address(value: object) -> str:
    """Return an address in its one spelling; of IPv6 also a /64, which is what one household has."""
    try:
        if not isinstance(value, str):
            raise TypeError
        if "/" in value:
            network = ipaddress.IPv6Network(value.strip())
            if network.prefixlen != 64:
                raise ValueError
            return str(network)
        address = addresses.plain(value)
        if address is None:
            raise ValueError
        return address
    except (ValueError, TypeError):
        raise InvalidInputError("INVALID_ADDRESS", "address must be an IP address, or an IPv6 network /64.") from None


def _expires_in(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_BLOCK_SECONDS:
        raise InvalidInputError(
            "INVALID_EXPIRY", f"expiresInSeconds must be a whole number from 1 to {MAX_BLOCK_SECONDS}, or left out."
        )
    return value
