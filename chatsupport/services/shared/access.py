"""Access to sessions. Every session id from a client is checked here before anything else."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import orjson
from bson import ObjectId

from chatsupport.database.commands import first
from chatsupport.database.connection import COMMITTED
from chatsupport.documents import Agent, Session
from chatsupport.documents.agent import BOT, SUPERVISOR
from chatsupport.errors import ForbiddenError, SessionNotFoundError
from chatsupport.identity import AGENT, SYSTEM, Caller, canonical_id
from chatsupport.services.shared.shared_commands import SharedCommands

MOST_AT_ONCE = 50
"""How many sessions one command reads, with what belongs to them."""
MOST_LOOK_UPS = 500

_shared: OrderedDict[bytes, SharedCommands[ObjectId]] = OrderedDict()
"""The look-ups by what they read with a session."""


def may_access(caller: Caller, session: Mapping[str, Any]) -> bool:
    """Tell whether the caller may access the session: its own, one assigned to it, or any for a system."""
    if caller.type == AGENT and str(session.get("agentId")) == caller.id:
        return True
    return may_always_access(caller, session)


def may_always_access(caller: Caller, session: Mapping[str, Any]) -> bool:
    """Tell whether the caller may access the session whichever agent has it: its own, or any for a system."""
    if caller.type == SYSTEM:
        return True
    user_type = session.get("userType", "user")
    # An older version may have stored an agent's id in capitals.
    return bool(user_type == caller.type and canonical_id(session["userId"], user_type) == caller.id)


def check(caller: Caller, session: Mapping[str, Any]) -> None:
    """Raise `ForbiddenError` unless the session is the caller's, or the caller is a supervisor.

    Roles are looked up only if access would be refused, so a caller in its own session waits for no look-up.
    """
    if not allowed([(caller, session)])[0]:
        raise refusal()


def allowed(claims: Sequence[tuple[Caller, Mapping[str, Any]]]) -> list[bool]:
    """Tell for each caller and session whether `check` would pass. One look-up of roles for all that need one."""
    answers = [may_access(caller, session) for caller, session in claims]
    strangers = {
        caller.id for (caller, _), answer in zip(claims, answers, strict=True) if not answer and caller.type == AGENT
    }
    if strangers:
        supervisors = supervisors_among(strangers)
        answers = [
            answer or (caller.type == AGENT and caller.id in supervisors)
            for (caller, _), answer in zip(claims, answers, strict=True)
        ]
    return answers


def check_token(caller: Caller, session_id: str) -> None:
    """Raise `ForbiddenError` if the caller's token is for one session, and not for this one."""
    if caller.session_id is not None and caller.session_id != session_id.lower():
        raise ForbiddenError("This token is from a link and opens only the chat of that link.")


def refusal() -> ForbiddenError:
    """Return the error for a caller who may not access a session."""
    return ForbiddenError("This session is not yours.")


def is_supervisor(caller: Caller) -> bool:
    """Tell whether an agent is a supervisor now. A token does not say so."""
    return caller.type == AGENT and bool(supervisors_among([caller.id]))


def is_staff(caller: Caller, session: Mapping[str, Any]) -> bool:
    """Tell whether a caller who may access the session does so as staff, and not as its user."""
    return caller.type == SYSTEM or (caller.type == AGENT and not may_always_access(caller, session))


def is_bot_of(caller: Caller, session: Mapping[str, Any]) -> bool:
    """Tell whether the caller is the bot with which the session began, even if somebody else has it now."""
    return caller.type == AGENT and str(session.get("botId")) == caller.id


def still_of_bot(caller: Caller, session: Mapping[str, Any]) -> dict[str, Any]:
    """Return a condition for a bot's write: that it still has the session, which it may lose at any moment.

    It is empty for other callers.
    """
    return {"agentId": session["agentId"]} if is_bot_of(caller, session) else {}


def is_bot(caller: Caller) -> bool:
    """Tell whether the caller is a bot. A token does not say so."""
    if caller.type != AGENT or not ObjectId.is_valid(caller.id):
        return False
    return Agent.collection().find_one({"_id": ObjectId(caller.id), "kind": BOT}, {"_id": 1}) is not None


def supervisors_among(agent_ids: Iterable[str]) -> set[str]:
    """Return the agents among these who are supervisors now."""
    ids = [ObjectId(agent_id) for agent_id in agent_ids if ObjectId.is_valid(agent_id)]
    found = Agent.collection().find({"_id": {"$in": ids}, "role": SUPERVISOR}, {"_id": 1})
    return {str(agent["_id"]) for agent in found}


def find_session(caller: Caller, session_id: ObjectId, *joined: Mapping[str, Any]) -> dict[str, Any]:
    """Return the session. Raises `SessionNotFoundError`, or `ForbiddenError` if it is somebody else's.

    `joined` are stages that add documents which belong to the session: the same command reads them. Simultaneous calls
    with the same stages share a command.
    """
    found = _look_ups(joined)([session_id])
    if not found:
        raise SessionNotFoundError
    check(caller, found[0])
    return dict(found[0])


def _look_ups(joined: Sequence[Mapping[str, Any]]) -> SharedCommands[ObjectId]:
    """Return the look-ups that read sessions with these stages."""
    stages = orjson.dumps(joined)
    look_ups = _shared.get(stages)
    if look_ups is None:
        look_ups = _shared[stages] = SharedCommands(partial(_read, joined))
        if len(_shared) > MOST_LOOK_UPS:
            _shared.popitem(last=False)
    return look_ups


def _read(joined: Sequence[Mapping[str, Any]], session_ids: Sequence[ObjectId]) -> Iterator[dict[str, Any]]:
    if len(session_ids) == 1:
        alone = first_session({"_id": session_ids[0]}, *joined)
        yield from () if alone is None else (alone,)
        return
    sessions = Session.collection().with_options(read_concern=COMMITTED)
    for start in range(0, len(session_ids), MOST_AT_ONCE):
        these = {"_id": {"$in": list(session_ids[start : start + MOST_AT_ONCE])}}
        yield from sessions.aggregate([{"$match": these}, *joined])


def find_session_of_staff(caller: Caller, session_id: ObjectId) -> dict[str, Any]:
    """Return the session for its agent, a supervisor or an operator. Raises like `find_session`, also for its user."""
    session = find_session(caller, session_id)
    if not is_staff(caller, session):
        raise ForbiddenError("Only the session's agent, supervisors, systems and API keys can do this.")
    return session


def first_session(which: Mapping[str, Any], *joined: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the session that meets the condition, with the documents of `joined`, or None. Does not check access."""
    if not joined:
        alone: dict[str, Any] | None = Session.collection().find_one(which)
        return alone
    # What belongs to it may be messages: those that no failover takes back.
    return first(Session.collection(), [{"$match": which}, *joined], COMMITTED)


def condition(caller: Caller) -> dict[str, Any]:
    """Return a condition that is true only for sessions that the caller may access.

    Those of supervisors, and old ones that name their user in another way, are missing: ask `find_session` about them.
    """
    if caller.type == SYSTEM:
        return {}
    own = {"userId": caller.id, "userType": caller.type}
    is_agent = caller.type == AGENT and ObjectId.is_valid(caller.id)
    return {"$or": [own, {"agentId": ObjectId(caller.id)}]} if is_agent else own


def not_for(caller: Caller, session_ids: Iterable[ObjectId]) -> list[ObjectId]:
    """Return the sessions among these that the caller may not access, whatever its role."""
    wanted = list(session_ids)
    members = {"agentId": 1, "userId": 1, "userType": 1}
    rows = Session.collection().find({"_id": {"$in": wanted}}, members) if wanted else ()
    allowed = {row["_id"] for row in rows if may_access(caller, row)}
    return [session_id for session_id in wanted if session_id not in allowed]


def require_operator(caller: Caller) -> None:
    """Raise `ForbiddenError` unless an API key or a system is calling."""
    if caller.type != SYSTEM:
        raise ForbiddenError("This needs an X-API-Key or a system token.")


def require_manager(caller: Caller) -> None:
    """Raise `ForbiddenError` unless an operator or a supervisor is calling."""
    if caller.type != SYSTEM and not is_supervisor(caller):
        raise ForbiddenError("This needs a supervisor, an X-API-Key or a system token.")


def require_agent(caller: Caller) -> None:
    """Raise `ForbiddenError` unless an agent or an operator is calling."""
    if caller.type not in (AGENT, SYSTEM):
        raise ForbiddenError("Only agents, systems and API keys can do this.")


def refuse_bots(caller: Caller) -> None:
    """Raise `ForbiddenError` if a bot is calling."""
    if is_bot(caller):
        raise ForbiddenError("Bots cannot do this.")


def act_as(caller: Caller, person_id: str | None, person_type: str | None) -> None:
    """Raise `ForbiddenError` if a caller claims to be somebody else and may not do so."""
    if caller.may_act_for_others:
        return
    is_another = person_id is not None and canonical_id(person_id, caller.type) != caller.id
    if is_another or (person_type is not None and person_type != caller.type):
        raise ForbiddenError("The request names another person than your token. Use that person's token.")
