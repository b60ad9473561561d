"""May this caller touch that session? Every id from a client goes through here before anything else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson import ObjectId

from chatsupport.documents import Session
from chatsupport.errors import ForbiddenError, SessionNotFoundError
from chatsupport.identity import AGENT, SYSTEM, Caller


def may_access(caller: Caller, session: Mapping[str, Any]) -> bool:
    """Tell whether the session is the caller's: its own, assigned to it, or any for a system."""
    if caller.type == SYSTEM:
        return True
    if caller.type == AGENT and str(session.get("agentId")) == caller.id:
        return True
    return bool(session["userId"] == caller.id and session.get("userType", "user") == caller.type)


def check(caller: Caller, session: Mapping[str, Any]) -> None:
    """Raise `ForbiddenError` unless the session is the caller's."""
    if not may_access(caller, session):
        raise ForbiddenError("This session is not yours.")


def find_session(caller: Caller, session_id: ObjectId) -> dict[str, Any]:
    """Return the session. Raises `SessionNotFoundError`, or `ForbiddenError` where it is somebody else's."""
    session: dict[str, Any] | None = Session._get_collection().find_one({"_id": session_id})
    if session is None:
        raise SessionNotFoundError
    check(caller, session)
    return session


def require_operator(caller: Caller) -> None:
    """Raise `ForbiddenError` unless an API key or a system is calling."""
    if caller.type != SYSTEM:
        raise ForbiddenError("This needs an X-API-Key or a system token.")


def act_as(caller: Caller, person_id: str | None, person_type: str | None) -> None:
    """Raise `ForbiddenError` where a caller claims to be somebody else and may not."""
    if caller.may_act_for_others:
        return
    if (person_id is not None and person_id != caller.id) or (person_type is not None and person_type != caller.type):
        raise ForbiddenError("Your token is for another person than the one you name.")
