"""One function a field: its value, or an error with the field's code.

A wrong type is never coerced: an operator like {"$gt": ""} in place of a string is refused here and reaches no query.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from bson import ObjectId

from chatsupport.documents.agent import MAX_USERS_LIMIT
from chatsupport.documents.message import MAX_LENGTH
from chatsupport.documents.session import STATUSES
from chatsupport.errors import AgentNotFoundError, InvalidInputError, SessionNotFoundError
from chatsupport.payloads.text import UNSTORABLE, is_visible, trimmed

MAX_ID_LENGTH = 128
MAX_CLIENT_MESSAGE_ID_LENGTH = 64
MAX_REASON_LENGTH = 200
MAX_NAME_LENGTH = 100
DEFAULT_END_REASON = "User ended session"
DEFAULT_PAGE, MAX_PAGE = 50, 100
MAX_OFFSET = 2**53 - 1

_SURROGATES = re.compile("[\ud800-\udfff]")
_DIGITS = re.compile(r"[0-9]{1,16}")
_CURSOR = re.compile(r"([0-9]{1,14})-([0-9a-f]{24})")

Payload = Mapping[str, Any]


def agent_name(value: object) -> str:
    """Return an agent's name, trimmed: 1 to 100 characters."""
    name = trimmed(value) if isinstance(value, str) else ""
    if len(name) > MAX_NAME_LENGTH or not is_visible(name) or UNSTORABLE.search(name):
        raise InvalidInputError(
            "INVALID_AGENT",
            f"name must be a string of 1 to {MAX_NAME_LENGTH} characters, at least one of them visible.",
        )
    return name


def max_users(value: object) -> int:
    """Return how many people an agent takes at once."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_USERS_LIMIT:
        raise InvalidInputError("INVALID_AGENT", f"maxUsers must be a whole number from 1 to {MAX_USERS_LIMIT}.")
    return value


def is_online(value: object) -> bool:
    """Return whether an agent takes sessions."""
    if not isinstance(value, bool):
        raise InvalidInputError("INVALID_AGENT", "isOnline must be true or false.")
    return value


def user_id(data: Payload) -> str:
    """Return `userId`, trimmed."""
    value = optional_person_id(data, "userId", "INVALID_USER_ID")
    if value is None:
        raise InvalidInputError("INVALID_USER_ID", "userId is required and must be a string.")
    return value


def optional_person_id(data: Payload, name: str, code: str) -> str | None:
    """Return somebody's id, trimmed; None where it is not given. A step in a path, or what cannot be seen, is none."""
    value = optional_text(data, name, MAX_ID_LENGTH, code)
    if value in (".", ".."):
        raise InvalidInputError(code, f"{name} must be neither . nor ..: no path could name it.")
    return value


def stored_user_id(query: Payload) -> str:
    """Return `userId` of a query string exactly as it is: also ids that are stored and would be refused today."""
    value = query.get("userId")
    if not isinstance(value, str) or not value or _SURROGATES.search(value):
        raise InvalidInputError("INVALID_USER_ID", "userId is required. Give the id exactly as it is stored.")
    return value


def user_type(data: Payload, choices: tuple[str, ...]) -> str:
    """Return `userType`, one of `choices`; `user` where it is not given."""
    return optional_choice(data, "userType", choices, "INVALID_USER_TYPE") or "user"


def message_text(data: Payload) -> str:
    """Return `message`, trimmed: 1 to 1000 code points, one of which can be seen."""
    value = data.get("message")
    if not isinstance(value, str):
        raise InvalidInputError("INVALID_MESSAGE", "message is required and must be a string.")
    value = trimmed(value)
    if not is_visible(value):
        raise InvalidInputError("INVALID_MESSAGE", "message must contain at least one visible character.")
    if len(value) > MAX_LENGTH:
        raise InvalidInputError("MESSAGE_TOO_LONG", f"message must have at most {MAX_LENGTH} characters.")
    if UNSTORABLE.search(value):
        raise InvalidInputError("INVALID_MESSAGE", "message must not contain NUL or unpaired surrogates.")
    return value


def reason(data: Payload, name: str) -> str | None:
    """Return the reason under this name, at most 200 characters; None where it is not given or blank."""
    value = data.get(name)
    if value is None:
        return None
    reason = trimmed(value) if isinstance(value, str) else None
    if reason is None or len(reason) > MAX_REASON_LENGTH or UNSTORABLE.search(reason):
        raise InvalidInputError("INVALID_REASON", f"{name} must be a string of at most {MAX_REASON_LENGTH} characters.")
    return reason if is_visible(reason) else None


def limit(query: Payload) -> int:
    """Return `limit` of a query string: 1 to 100, 50 where it is not given."""
    value = query.get("limit")
    if value is None:
        return DEFAULT_PAGE
    number = _whole_number(value)
    if number is None or not 1 <= number <= MAX_PAGE:
        raise InvalidInputError("INVALID_LIMIT", f"limit must be a whole number from 1 to {MAX_PAGE}.")
    return number


def session_id(value: object) -> ObjectId:
    """Return a session's id from a path. What is not an id is no session either: SESSION_NOT_FOUND."""
    if isinstance(value, str) and ObjectId.is_valid(value):
        return ObjectId(value)
    raise SessionNotFoundError


def session_id_in(data: Payload) -> ObjectId:
    """Return `sessionId` of an event's payload. Raises INVALID_SESSION_ID unless it is a string."""
    value = data.get("sessionId")
    if not isinstance(value, str):
        raise InvalidInputError("INVALID_SESSION_ID", "sessionId is required and must be a string.")
    return session_id(value)


def agent_id(value: object) -> ObjectId:
    """Return an agent's id from a path. What is not an id is no agent either: AGENT_NOT_FOUND."""
    if isinstance(value, str) and ObjectId.is_valid(value):
        return ObjectId(value)
    raise AgentNotFoundError


def resume_after(data: Payload) -> int | None:
    """Return `after` of a `join_session`: the last seq the client has, None where it has none."""
    value = data.get("after")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_OFFSET:
        raise InvalidInputError(
            "INVALID_CURSOR", "after must be a whole number, the last seq that you have. You can leave it out."
        )
    return value


def is_lean(data: Payload) -> bool:
    """Return `lean` of a `join_session`: whether the acknowledgement is to be without the history."""
    value = data.get("lean")
    if value is not None and not isinstance(value, bool):
        raise InvalidInputError("INVALID_JSON", "lean must be true or false, or left out.")
    return bool(value)


def seq_in(data: Payload) -> int:
    """Return `seq` of a `mark_read`."""
    value = data.get("seq")
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_OFFSET:
        raise InvalidInputError(
            "INVALID_CURSOR", "seq must be a whole number from 1: the seq of the last message that was read."
        )
    return value


def status(query: Payload) -> str | None:
    """Return `status` of a list of sessions, None for all. Raises INVALID_STATUS."""
    return optional_choice(query, "status", STATUSES, "INVALID_STATUS")


def optional_agent_id(data: Payload) -> ObjectId | None:
    """Return `agentId`, None where it is not given. Raises INVALID_AGENT, or AGENT_NOT_FOUND for no id."""
    value = data.get("agentId")
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidInputError("INVALID_AGENT", "agentId must be a string, or left out.")
    return agent_id(value)


def list_cursor(query: Payload) -> tuple[datetime, ObjectId] | None:
    """Return `cursor` of a list, None for its beginning. Raises INVALID_CURSOR for what no list has given."""
    value = query.get("cursor")
    if value is None:
        return None
    match = _CURSOR.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise InvalidInputError("INVALID_CURSOR", "cursor must be the nextCursor of the previous page, unchanged.")
    time = datetime.fromtimestamp(0, timezone.utc) + timedelta(milliseconds=int(match[1]))
    return time, ObjectId(match[2])


def offset(query: Payload) -> int:
    """Return `offset` of a query string: 0 or more, 0 where it is not given."""
    value = query.get("offset")
    if value is None:
        return 0
    number = _whole_number(value)
    if number is None or number > MAX_OFFSET:
        raise InvalidInputError("INVALID_OFFSET", "offset must be a whole number of 0 or more.")
    return number


def cursor(value: object, name: str) -> int | None:
    """Return a seq of a query string, None where it is not given. `name` is the parameter's."""
    if value is None:
        return None
    number = _whole_number(value)
    if number is None or number > MAX_OFFSET:
        raise InvalidInputError("INVALID_CURSOR", f"{name} must be a message's seq: a whole number from 0.")
    return number


def _whole_number(value: object) -> int | None:
    """Read a decimal of a query string; None for what is none. Signs, spaces and other scripts' digits are not."""
    return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else None


def optional_text(data: Payload, name: str, max_length: int, code: str) -> str | None:
    """Return a text of 1 to `max_length` characters, trimmed; None where it is not given."""
    value = data.get(name)
    if value is None:
        return None
    text = trimmed(value) if isinstance(value, str) else ""
    if len(text) > max_length or not is_visible(text) or UNSTORABLE.search(text):
        raise InvalidInputError(
            code,
            f"{name} must be a string of 1 to {max_length} characters, at least one visible. It is optional.",
        )
    return text


def optional_choice(data: Payload, name: str, choices: tuple[str, ...], code: str) -> str | None:
    """Return one of `choices`; None where it is not given."""
    value = data.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or value not in choices:
        raise InvalidInputError(code, f"{name} must be one of {', '.join(choices)}.")
    return value
