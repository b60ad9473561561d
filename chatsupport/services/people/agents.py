"""Agents, for callers who manage them."""

from __future__ import annotations

import base64
import logging
from typing import Any

from bson import ObjectId
from mongoengine import Q
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from chatsupport import events, recording, serializers
from chatsupport.contract.base import refused
from chatsupport.contract.people import AgentChanges, AgentFields, AgentPage, check_kind
from chatsupport.database.clock import now
from chatsupport.documents import Agent, Deletion
from chatsupport.documents.agent import BOT, BY_NAME, HUMAN, NO_DEPARTMENT, derived
from chatsupport.errors import AgentNotFoundError, EmailTakenError
from chatsupport.events import AgentChanged, AgentCreated, AgentDeleted
from chatsupport.identity import AGENT, SYSTEM, Caller
from chatsupport.services.people import denials, departments, passwords, settling, sign_ins
from chatsupport.services.shared import access

logger = logging.getLogger(__name__)


def list_page(caller: Caller, wanted: AgentPage) -> tuple[list[dict[str, Any]], str | None]:
    """Return one page of the agents by name, and the cursor of the next, if any. For operators and supervisors.

    A page begins after the name and id at which the last one ended, so that it costs the same at any depth.
    """
    access.require_manager(caller)
    after = Q()
    if wanted.cursor is not None:
        name, agent_id = wanted.cursor
        after = Q(name=name, id__gt=agent_id) | Q(name__gt=name)
    rows = list(Agent.objects(after).order_by(*BY_NAME).limit(wanted.limit + 1).as_pymongo())
    page, more = rows[: wanted.limit], len(rows) > wanted.limit
    return page, _cursor(page[-1]) if more else None


def list_all(caller: Caller) -> list[dict[str, Any]]:
    """Return every agent, by name. For operators and supervisors."""
    access.require_manager(caller)
    return list(Agent.objects.order_by(*BY_NAME).as_pymongo())


def _cursor(agent: dict[str, Any]) -> str:
    return f"{agent['_id']}-{base64.urlsafe_b64encode(agent['name'].encode()).decode()}"


def create(caller: Caller, fields: AgentFields) -> dict[str, Any]:
    """Create an agent and assign waiting sessions to it. For operators and supervisors.

    Recording begins before there is the first bot, because bots read the feed.
    """
    access.require_manager(caller)
    if fields.kind == BOT:
        recording.begin()
    departments.require(fields.department_ids or ())
    agent = _document(fields)
    if fields.password is not None:
        agent["passwordHash"] = passwords.hash_of(fields.password)
    marks = recording.marks(recording.AGENT_CREATED)
    try:
        Agent.collection().insert_one({**agent, **recording.kept(marks)})
    except DuplicateKeyError:
        raise EmailTakenError from None
    recording.look_after(Agent.collection(), agent["_id"], recording.AGENT_CREATED, marks)
    departments.tidy(fields.department_ids or ())
    logger.info("Agent created", extra={"event": "agent_created", "agent_id": str(agent["_id"])})
    events.happened(AgentCreated(caller, agent))
    created: dict[str, Any] = Agent.objects(id=agent["_id"]).as_pymongo().first() or agent
    return created


def read(caller: Caller, agent_id: ObjectId) -> dict[str, Any]:
    """Return an agent. For operators and supervisors, and for the agent itself."""
    if caller.type != AGENT or caller.id != str(agent_id):
        access.require_manager(caller)
    return _find(agent_id)


def update(caller: Caller, agent_id: ObjectId, changes: AgentChanges) -> dict[str, Any]:
    """Change an agent; waiting sessions get any new room. An agent itself may go online and offline, and change its
    password if it knows the current one. A supervisor may change its own email in the same way.

    After a smaller `maxUsers`, or offline, the agent keeps its sessions and gets no new ones. Another email or password
    ends the agent's tokens, except the one with which it changed its own. Raises `EmailTakenError`.
    """
    is_own = caller.type == AGENT and caller.id == str(agent_id)
    if caller.type != SYSTEM and (not is_own or _needs_manager(changes)):
        access.require_manager(caller)
    before = read(caller, agent_id)
    new_role = {"role"} if changes.role not in (None, "agent") else set()
    check_kind(before.get("kind", HUMAN), changes.max_users, changes.given - {"role"} | new_role)
    new_email = "email" in changes.given and changes.email != before.get("email")
    if is_own and ("password" in changes.given or new_email):
        sign_ins.check_current(caller, before, changes.current_password)
    values = _values(changes)
    if not values:
        return before
    departments.require(changes.department_ids or ())
    marks = recording.marks(recording.AGENT_CHANGED)
    try:
        updated = Agent.collection().find_one_and_update(
            {"_id": agent_id},
            [{"$set": {**values, **recording.added(marks)}}, *derived()],
            return_document=ReturnDocument.AFTER,
        )
    except DuplicateKeyError:
        raise EmailTakenError from None
    if updated is None:
        raise AgentNotFoundError
    recording.look_after(Agent.collection(), agent_id, recording.AGENT_CHANGED, marks)
    departments.tidy(changes.department_ids or ())
    logger.info("Agent changed", extra={"event": "agent_changed", "agent_id": str(agent_id), "fields": sorted(values)})
    new_credentials = "password" in changes.given or before.get("email") != updated.get("email")
    if new_credentials:
        denials.end_tokens(caller, Caller(str(agent_id), AGENT), keep=caller if is_own else None)
    changed = {
        "name": changes.name,
        "maxUsers": changes.max_users,
        "isOnline": changes.is_online,
        "role": changes.role,
        "departmentIds": None if changes.department_ids is None else [str(one) for one in changes.department_ids],
    }
    shown_if_null = {"departmentIds"} if "department_ids" in changes.given else set()
    events.happened(
        AgentChanged(
            caller,
            before,
            updated,
            {name: value for name, value in changed.items() if value is not None or name in shown_if_null},
            new_credentials,
        )
    )
    return _find(agent_id)


def replace_password(agent: dict[str, Any], password: str) -> bool:
    """Set a new password for an agent who has proved who it is, and end all its tokens.

    Returns False if its email or password is no longer the one in `agent`.
    """
    caller = Caller(str(agent["_id"]), AGENT)
    as_read = {"_id": agent["_id"], "email": agent.get("email"), "passwordHash": agent.get("passwordHash")}
    updated: Any = Agent.collection().find_one_and_update(
        as_read,
        {"$set": {"passwordHash": passwords.hash_of(password), "updatedAt": now()}},
        return_document=ReturnDocument.AFTER,
    )
    if updated is None:
        return False
    logger.info("Agent changed", extra={"event": "agent_changed", "agent_id": caller.id, "fields": ["passwordHash"]})
    denials.end_tokens(caller, caller)
    events.happened(AgentChanged(caller, agent, updated, {}, new_credentials=True))
    return True


def _needs_manager(changes: AgentChanges) -> bool:
    """Tell whether this is a change that an agent may not make to itself."""
    removes_password = "password" in changes.given and changes.password is None
    return removes_password or not changes.given <= {"is_online", "password", "current_password"}


def _values(changes: AgentChanges) -> dict[str, Any]:
    """Return the values of a pipeline update. A client's text is taken literally, not as a field or a variable."""
    values: dict[str, Any] = {}
    if changes.name is not None:
        values["name"] = {"$literal": changes.name}
    if changes.max_users is not None:
        values["maxUsers"] = changes.max_users
    if changes.is_online is not None:
        values["isOnline"] = changes.is_online
        values["idleSince"] = {"$cond": [{"$eq": ["$isOnline", changes.is_online]}, "$idleSince", "$$NOW"]}
    if changes.role is not None:
        values["role"] = changes.role
    if "department_ids" in changes.given:
        values |= {"departmentIds": _stored(changes.department_ids) or "$$REMOVE", "departmentsSince": "$$NOW"}
    if "email" in changes.given:
        values["email"] = "$$REMOVE" if changes.email is None else {"$literal": changes.email}
    if "password" in changes.given:
        stored = None if changes.password is None else passwords.hash_of(changes.password)
        values["passwordHash"] = "$$REMOVE" if stored is None else {"$literal": stored}
    return values


def _stored(department_ids: list[ObjectId] | None) -> list[ObjectId] | None:
    """Return an agent's list of departments as it is stored."""
    return None if department_ids is None else [NO_DEPARTMENT, *dict.fromkeys(department_ids)]


def require_bot(bot_id: ObjectId, code: str) -> None:
    """Raise `InvalidInputError` with this code if the field `botId` names no bot."""
    if Agent.collection().find_one({"_id": bot_id, "kind": BOT}, {"_id": 1}) is None:
        raise refused("botId", code, "botId must be the id of an agent whose kind is bot, or null.")


def _find(agent_id: ObjectId) -> dict[str, Any]:
    agent: dict[str, Any] | None = Agent.objects(id=agent_id).as_pymongo().first()
    if agent is None:
        raise AgentNotFoundError
    return agent


def delete(caller: Caller, agent_id: ObjectId) -> dict[str, Any]:
    """Delete an agent: its access ends at once, and its sessions go to the front of the queue in their old order.

    Raises `AgentNotFoundError` also if it was deleted before, but first completes that deletion.
    """
    access.require_manager(caller)
    if recording.is_on():
        _announce_deletion(Agent.collection().find_one({"_id": agent_id}))
    deleted: dict[str, Any] | None = Agent.collection().find_one_and_delete({"_id": agent_id})
    if recording.is_on():
        _announce_deletion(deleted)
    denied = denials.end_access_of_deleted(agent_id)
    if deleted is not None:
        logger.info("Agent deleted", extra={"event": "agent_deleted", "agent_id": str(agent_id)})
    events.happened(AgentDeleted(caller, agent_id, deleted))
    settling.settle(denied)
    if deleted is None:
        raise AgentNotFoundError
    return deleted


def _announce_deletion(agent: dict[str, Any] | None) -> None:
    """Store the mark of a deletion, and copy the agent's changes that are not recorded yet. It counts once the agent is
    gone. Called before the deletion, and again after it for the changes in between.
    """
    if agent is None:
        return
    marks = recording.marks(recording.AGENT_DELETED)
    deletion = {"agent": serializers.agent(agent), "at": now()}
    this, deletions = {"_id": agent["_id"]}, Deletion.collection()
    deletions.update_one(this, {"$setOnInsert": {**deletion, **recording.kept(marks)}}, upsert=True)
    for place, mark in enumerate(agent.get(recording.FIELD, ())):
        not_yet = {**this, f"{recording.FIELD}.id": {"$ne": mark["id"]}}
        deletions.update_one(not_yet, {"$push": {recording.FIELD: {"$each": [mark], "$position": place}}})


def create_defaults(names: tuple[str, ...]) -> int:
    """Create the default agents if there are no agents. Returns how many are new.

    Each has an id that follows from its place, so that processes starting together make each once.
    """
    collection = Agent.collection()
    if not names or collection.find_one({}, {"_id": 1}) is not None:
        return 0
    made = 0
    for place, name in enumerate(names, start=1):
        agent = _document(AgentFields(name=name))
        agent["_id"] = ObjectId(f"{place:024x}")
        result = collection.update_one({"_id": agent.pop("_id")}, {"$setOnInsert": agent}, upsert=True)
        made += result.upserted_id is not None
    if made:
        logger.info("Default agents created", extra={"event": "default_agents_created", "count": made})
    return made


def _document(fields: AgentFields) -> dict[str, Any]:
    time = now()
    agent = Agent(
        id=ObjectId(),
        name=fields.name,
        kind=fields.kind,
        max_users=fields.max_users,
        is_online=fields.is_online,
        is_away=False,
        email=fields.email,
        role=fields.role,
        load=0,
        has_room=None if fields.kind == BOT else True,
        idle_since=time,
        created_at=time,
        updated_at=time,
    )
    agent.validate()
    document: dict[str, Any] = agent.to_mongo().to_dict()
    if (listed := _stored(fields.department_ids)) is not None:
        document["departmentIds"] = listed
    if fields.kind == BOT:
        document["hasRoom"] = None
    return {**document, "activeUsers": [], "activeSessions": [], "slots": []}
