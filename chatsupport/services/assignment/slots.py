"""An agent's slots. To take one, to pass it on and to free it are each one conditional update of the agent.

A slot is an entry in `activeSessions` with its user at the same place in `activeUsers`, and an entry in `slots` that
gives it an id. Its session keeps that id (`slotId`), and every release names it. So a second release changes nothing,
and a delayed one never frees a later slot of the same session. A slot that was taken by a version of the software
without slot ids has no entry in `slots`. It is freed by its session, which may still have the `slotId` of an earlier
slot.

A process that does not learn whether a slot was taken, or which session got it, looks again later (`free_unused`).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from bson import ObjectId
from pymongo import ReturnDocument, UpdateOne
from pymongo.errors import PyMongoError

from chatsupport import events
from chatsupport.database.clock import now
from chatsupport.database.commands import first_in_order
from chatsupport.database.connection import OPERATION_TIMEOUT_MS
from chatsupport.documents import Agent, Session
from chatsupport.documents import agent as agents
from chatsupport.documents.agent import IS_FREE, LEAST_LOADED, PEOPLE, WITH_SESSIONS, derived, may_have
from chatsupport.documents.session import ACTIVE, BOT, BY_LOAD
from chatsupport.errors import DatabaseUnavailableError
from chatsupport.events import SessionEnded, SessionLeft, SlotFreed
from chatsupport.extensions import socketio
from chatsupport.services.server import index_builds
from chatsupport.services.shared.shared_commands import SharedCommands

logger = logging.getLogger(__name__)

Document = dict[str, Any]
_SlotOfSession = tuple[ObjectId, ObjectId, "ObjectId | None"]
"""An agent, a session of the agent, and the id of the slot that the session holds."""
AnyDepartment = TypeVar("AnyDepartment", bound="ObjectId | None")

LONGEST_WRITE = timedelta(milliseconds=OPERATION_TIMEOUT_MS + 1_000)
"""After this time, the caller of a write has given up."""

BY_DEPARTMENT = "agents.least_loaded_by_department"

LOOKS_FOR_UNUSED = 5
"""How many times a lost slot is looked for; after that the reconciler finds it."""


@dataclass(frozen=True)
class Slot:
    """A slot that was just taken: its id, its agent as it is now, and the session it was taken for, and why."""

    id: ObjectId
    agent: Document
    session_id: ObjectId
    reason: str = BY_LOAD


def claim(
    session_id: ObjectId,
    user_id: str,
    *,
    only: ObjectId | None = None,
    excluding: ObjectId | None = None,
    department_id: ObjectId | None = None,
    reason: str = BY_LOAD,
) -> Slot | None:
    """Take a slot of the least loaded agent that can take a session, or of `only`. Returns None if no agent can.

    With a department, only an agent who may have its sessions is chosen. Least loaded, and among equals the one that
    has waited longest for work, is the order of an index, so the choice costs the same with ten agents and with ten
    thousand.
    """
    query: Document = {**can_take(), **may_have(department_id)}
    if only is not None:
        query["_id"] = only
    elif excluding is not None:
        query["_id"] = {"$ne": excluding}
    sort, hint = (LEAST_LOADED, _hint(department_id)) if only is None else (None, None)
    return _take(query, session_id, user_id, reason, sort=sort, hint=hint)


def claim_of_bot(bot_id: ObjectId, session_id: ObjectId, user_id: str) -> Slot | None:
    """Take a slot of a bot. Returns None if it is offline or full, or if there is no such bot."""
    query = {"_id": bot_id, "kind": agents.BOT, "isOnline": True, **IS_FREE}
    return _take(query, session_id, user_id, BOT)


def _take(query: Document, session_id: ObjectId, user_id: str, reason: str, **choice: Any) -> Slot | None:
    slot_id = ObjectId()
    taken = {**_appended(slot_id, session_id, user_id), "wasIdleSince": "$idleSince", "idleSince": "$$NOW"}
    try:
        agent: Document | None = Agent.collection().find_one_and_update(
            query,
            [{"$set": taken}, *derived()],
            return_document=ReturnDocument.AFTER,
            **choice,
        )
    except PyMongoError:
        free_unused_later(slot_id, session_id)
        raise
    return None if agent is None else Slot(slot_id, agent, session_id, reason)


def pass_on(agent_id: ObjectId, slot_id: ObjectId | None, session_id: ObjectId, user_id: str) -> bool:
    """Give a slot to this session, whichever session it was taken for. False if the agent no longer has it."""
    result = Agent.collection().update_one(
        {"_id": agent_id, "slots": {"$elemMatch": {"id": slot_id}}},
        [{"$set": _removed(slot_id, session_id)}, {"$set": _appended(slot_id, session_id, user_id)}, *derived()],
    )
    return bool(result.modified_count)


def give_back(slot: Slot) -> None:
    """Undo a `claim` that was not needed; the agent keeps its place among equals, unless it has had work since."""
    is_untouched = {"$eq": ["$idleSince", slot.agent["idleSince"]]}
    idle_since = {"$cond": [is_untouched, slot.agent.get("wasIdleSince") or "$$NOW", "$idleSince"]}
    try:
        release(slot.agent["_id"], slot.session_id, slot.id, idle_since)
    except PyMongoError:
        free_unused_later(slot.id, slot.session_id)
        raise


def free_unused_later(slot_id: ObjectId, session_id: ObjectId) -> None:
    """Check, when no write can be in progress any more, whether this slot must be freed."""
    socketio.start_background_task(free_unused, slot_id, session_id)


def free_unused(slot_id: ObjectId, session_id: ObjectId) -> None:
    """Free an unused slot if it is unknown whether it was taken, given to a session or given back.

    A database that stood still carries out its commands when it continues, so this looks again if there is no slot yet.
    """
    for _ in range(LOOKS_FOR_UNUSED):
        socketio.sleep(LONGEST_WRITE.total_seconds())
        try:
            agent_id = find(slot_id)
            if agent_id is None:
                continue
            taken = {"agentId": agent_id, "status": ACTIVE, "slotId": slot_id}
            if Session.collection().find_one(taken, {"_id": 1}) is None:
                release(agent_id, session_id, slot_id)
                events.happened(SlotFreed())
            return
        except PyMongoError as error:
            logger.warning("Cannot check yet whether a slot must be freed; trying again", extra={"reason": repr(error)})


def release(agent_id: ObjectId, session_id: ObjectId, slot_id: ObjectId | None, idle_since: object = "$$NOW") -> bool:
    """Free this slot of the session. False if the agent does not hold it: a second call changes nothing.

    `idle_since` is the expression for when the agent has last had work.
    """
    update = _freed(agent_id, session_id, slot_id, idle_since)
    return bool(Agent.collection().update_one(_held(agent_id, session_id, slot_id), update).modified_count)


def free_left(event: SessionLeft) -> None:
    """Free the slot that a session had at the agent it has left."""
    if event.agent_id is not None:
        _free((event.agent_id, event.session["_id"], event.slot_id))


def try_to_free(session: Mapping[str, Any]) -> bool:
    """Free the slot of a session that has just ended. False if the database fails: then `free_ended` tries again."""
    try:
        _free_of(session)
    except (PyMongoError, DatabaseUnavailableError) as error:
        logger.warning("Cannot free a slot at once; trying again", extra={"reason": repr(error)})
        return False
    return True


def free_ended(event: SessionEnded) -> None:
    """Free the slot of a session that has ended, unless that is done."""
    if not event.slot_is_free:
        _free_of(event.session)


def _free_of(session: Mapping[str, Any]) -> None:
    if session.get("agentId") is not None:
        _free((session["agentId"], session["_id"], session.get("slotId")))


def _free(slot: _SlotOfSession) -> None:
    """Free a slot, unless it is free already. Those that are freed at the same time share a command."""
    _free_together([slot])


def _free_all(slots: Sequence[_SlotOfSession]) -> Iterator[Document]:
    if len(slots) == 1:
        release(*slots[0])
    else:
        releases = [UpdateOne(_held(*slot), _freed(*slot)) for slot in slots]
        Agent.collection().bulk_write(releases, ordered=False)
    yield from ({"_id": slot} for slot in slots)


_free_together: SharedCommands[_SlotOfSession] = SharedCommands(_free_all)


def rename_user(session_id: ObjectId, old_id: str, new_id: str) -> bool:
    """Write the user's new id into the session's slot, whichever agent has it. False if no slot had the old id."""
    slots = {"$zip": {"inputs": [_list("activeUsers"), _list("activeSessions")]}}
    is_meant = {"$eq": ["$$slot", [{"$literal": old_id}, session_id]]}
    new_user = {"$cond": [is_meant, {"$literal": new_id}, {"$arrayElemAt": ["$$slot", 0]}]}
    result = Agent.collection().update_many(
        {**WITH_SESSIONS, "activeSessions": session_id, "activeUsers": old_id},
        [{"$set": {"activeUsers": {"$map": {"input": slots, "as": "slot", "in": new_user}}, "updatedAt": "$$NOW"}}],
    )
    return bool(result.modified_count)


def find(slot_id: ObjectId) -> ObjectId | None:
    """Return the agent that holds a slot with this id. No index serves this query; it runs only after a failure."""
    agent = Agent.collection().find_one({"slots.id": slot_id}, {"_id": 1})
    return None if agent is None else agent["_id"]


def holds(agent_id: ObjectId, session_id: ObjectId, slot_id: ObjectId | None) -> bool:
    """Tell whether the agent exists and holds this slot for the session."""
    held = _held(agent_id, session_id, slot_id)
    if slot_id is not None:
        held["slots"] = {"$elemMatch": {"id": slot_id, "sessionId": session_id}}
    return Agent.collection().find_one(held, {"_id": 1}) is not None


def held_by(agent: Mapping[str, Any]) -> list[tuple[ObjectId, ObjectId | None]]:
    """Return the session and the id of each slot of an agent. The id is None for slots of releases without ids."""
    sessions = Counter(agent.get("activeSessions", ()))
    with_id = [(slot["sessionId"], slot["id"]) for slot in agent.get("slots", ()) if slot["sessionId"] in sessions]
    without = sessions - Counter(session_id for session_id, _ in with_id)
    return [*with_id, *((session_id, None) for session_id in without.elements())]


def any_there(department_id: ObjectId | None = None, *, except_for: ObjectId | None = None) -> bool:
    """Tell whether any agent who may have the department's sessions is present and set to online, with or without room.

    `except_for` is an agent that does not count.
    """
    wanted: Document = {**there(), **may_have(department_id)}
    if except_for is not None:
        wanted["_id"] = {"$ne": except_for}
    return Agent.collection().find_one(wanted, {"_id": 1}, hint=_hint(department_id)) is not None


def any_has_room(department_id: ObjectId | None = None) -> bool | None:
    """Tell, like `any_free`, whether any agent can take a session of the department. None if none of them is there."""
    has_room: bool | None = _look_for_room([department_id])[0]["hasRoom"]
    return has_room


def _room_of(department_ids: Sequence[ObjectId | None]) -> Iterator[Document]:
    for department_id in department_ids:
        wanted = {**there(), **may_have(department_id)}
        room_first, hint = [("hasRoom", -1)], _hint(department_id)
        agent = first_in_order(Agent.collection(), wanted, room_first, shown={"hasRoom": 1}, hint=hint)
        yield {"_id": department_id, "hasRoom": None if agent is None else bool(agent["hasRoom"])}


_look_for_room: SharedCommands[ObjectId | None] = SharedCommands(_room_of)


def there() -> Document:
    """Return the condition on agents, not bots, who are online and present.

    `isAway` is set a moment after a lease has expired; until then the lease itself counts.
    """
    return {"isOnline": True, "isAway": False, "presentUntil": {"$not": {"$lte": now()}}, **PEOPLE}


def can_take() -> Document:
    """Return the condition on agents that can take new sessions: they are online, present, and have room."""
    return {**there(), "hasRoom": True}


def any_free(department_id: ObjectId | None = None) -> bool:
    """Tell whether any agent can take a session that is kept for this department, or for none."""
    free = {**can_take(), **may_have(department_id)}
    return Agent.collection().find_one(free, {"_id": 1}, hint=_hint(department_id)) is not None


def any_free_of(department_ids: Sequence[ObjectId | None]) -> bool:
    """Tell whether any agent can take a session of one of these departments; None stands for no department."""
    if None in department_ids:
        return any_free()
    free = {**can_take(), "departmentIds": {"$in": list(department_ids)}}
    return Agent.collection().find_one(free, {"_id": 1}, hint=index_builds.hint(BY_DEPARTMENT)) is not None


def staffed(department_ids: Sequence[ObjectId]) -> set[ObjectId]:
    """Return those of these departments of which an agent is present and set to online, with or without room."""
    if not department_ids:
        return set()
    if Agent.collection().find_one({**there(), "departmentIds": None}, {"_id": 1}) is not None:
        return set(department_ids)
    return set(_with_any(department_ids, there()))


def with_room(department_ids: Sequence[ObjectId | None]) -> list[ObjectId | None]:
    """Return those of these departments of which an agent has room.

    None among them stands for the sessions that every agent may have. Agents of all departments are not looked for: a
    claim for any department finds them.
    """
    return _with_any(department_ids, can_take())


def _with_any(department_ids: Sequence[AnyDepartment], wanted: Document) -> list[AnyDepartment]:
    """Return those departments of which there is such an agent: MongoDB looks at one key for each, in one command."""
    parts: list[list[Document]] = [
        [
            {"$match": {**wanted, **({} if one is None else {"departmentIds": one})}},
            {"$limit": 1},
            {"$project": {"_id": 0, "department": {"$literal": one}}},
        ]
        for one in department_ids
    ]
    agents = Agent.collection()
    unions: list[Document] = [{"$unionWith": {"coll": agents.name, "pipeline": part}} for part in parts[1:]]
    return [row["department"] for row in agents.aggregate([*parts[0], *unions])] if parts else []


def _hint(department_id: ObjectId | None) -> str | None:
    """Return the index that MongoDB should use for agents who may have sessions of the department."""
    return None if department_id is None else index_builds.hint(BY_DEPARTMENT)


def _held(agent_id: ObjectId, session_id: ObjectId, slot_id: ObjectId | None) -> Document:
    without_id = {"activeSessions": session_id, "slots.sessionId": {"$ne": session_id}}
    ways = [without_id] if slot_id is None else [{"slots.id": slot_id}, without_id]
    return {"_id": agent_id, "$or": ways}


def _freed(
    agent_id: ObjectId, session_id: ObjectId, slot_id: ObjectId | None, idle_since: object = "$$NOW"
) -> list[Document]:
    """Return the stages of an update that takes this slot from its agent."""
    return [{"$set": {**_removed(slot_id, session_id), "idleSince": idle_since}}, *derived()]


def _appended(slot_id: ObjectId | None, session_id: ObjectId, user_id: str) -> Document:
    """Return the expressions for an agent's lists with one more slot."""
    # A release without slot ids left this entry without its session.
    has_session = {"$in": ["$$slot.sessionId", _list("activeSessions")]}
    entries = {"$filter": {"input": _list("slots"), "as": "slot", "cond": has_session}}
    return {
        "activeSessions": {"$concatArrays": [_list("activeSessions"), [session_id]]},
        "activeUsers": {"$concatArrays": [_list("activeUsers"), [{"$literal": user_id}]]},
        "slots": {"$concatArrays": [entries, [{"id": slot_id, "sessionId": session_id}]]},
    }


def _removed(slot_id: ObjectId | None, session_id: ObjectId) -> Document:
    """Return the expressions for an agent's lists without this slot."""
    others = {"$filter": {"input": _list("slots"), "as": "slot", "cond": {"$ne": ["$$slot.id", slot_id]}}}
    held_for: object = session_id
    if slot_id is not None:
        # By its id, because a process may have been killed before it wrote the slot's new session.
        named = {"$filter": {"input": _list("slots"), "as": "slot", "cond": {"$eq": ["$$slot.id", slot_id]}}}
        sessions = {"$map": {"input": named, "as": "slot", "in": "$$slot.sessionId"}}
        held_for = {"$arrayElemAt": [{"$concatArrays": [sessions, [session_id]]}, 0]}
    position = {"$indexOfArray": ["$activeSessions", held_for]}
    return {
        "activeUsers": _without(_list("activeUsers"), position),
        "activeSessions": _without(_list("activeSessions"), position),
        "slots": others,
    }


def _list(field: str) -> Document:
    return {"$ifNull": [f"${field}", []]}


def _without(array: Document, position: Document) -> Document:
    """Return the expression for an array without the element at `position`."""
    places = {"$range": [0, {"$size": array}]}
    kept = {"$filter": {"input": places, "as": "place", "cond": {"$ne": ["$$place", position]}}}
    return {"$map": {"input": kept, "as": "place", "in": {"$arrayElemAt": [array, "$$place"]}}}
