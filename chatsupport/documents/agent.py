"""An agent: somebody who answers visitors, and the agent's slots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from bson import ObjectId
from mongoengine import (
    BooleanField,
    DateTimeField,
    EmbeddedDocument,
    EmbeddedDocumentListField,
    IntField,
    ListField,
    ObjectIdField,
    StringField,
)

from chatsupport.database.clock import now
from chatsupport.documents.base import BaseDocument
from chatsupport.documents.recorded import UNRECORDED_INDEX, unrecorded_field

DEFAULT_MAX_USERS = 2
MAX_USERS_LIMIT, MAX_USERS_OF_BOT = 50, 500

MEMBER, SUPERVISOR = "agent", "supervisor"
ROLES = (MEMBER, SUPERVISOR)

KINDS = (HUMAN, BOT) = ("human", "bot")

NO_DEPARTMENT = ObjectId("0" * 24)
"""Stands first in every stored list of departments, for the sessions without one: an index finds no empty lists."""

LEAST_LOADED = [("load", 1), ("idleSince", 1), ("_id", 1)]
"""The order in which agents get the next session: the least loaded first; among equals, the longest idle first."""
BY_NAME = ("name", "id")

ANY_STATE = {field: {"$in": [True, False, None]} for field in ("isOnline", "isAway", "hasRoom")}
"""Matches every agent, in a form for which MongoDB merges the parts of the index `least_loaded`, sorted by load."""
PEOPLE: dict[str, Any] = {"hasRoom": {"$in": [True, False]}}
"""Matches agents that are no bots: a bot neither has room nor has none, so that it is never chosen by its load."""
WITH_SESSIONS = {**ANY_STATE, "load": {"$gt": 0}}


class SlotId(EmbeddedDocument):
    """The id of the slot that a session holds. The session stores it too."""

    slot_id = ObjectIdField(db_field="id", required=True)
    session_id = ObjectIdField(db_field="sessionId", required=True)

    meta: ClassVar[dict[str, Any]] = {"strict": False}


class Agent(BaseDocument):
    """One agent. A slot is an entry in `activeSessions`, with its user at the same place in `activeUsers` and its id in
    `slots`. Slots from earlier releases have no id.

    `load` and `hasRoom` follow from the lists, and every update of the lists sets them too (see `derived`). So one
    index finds the least loaded free agent, however many agents there are.
    """

    name = StringField(required=True, max_length=100)
    max_users = IntField(db_field="maxUsers", default=DEFAULT_MAX_USERS, min_value=1, max_value=MAX_USERS_OF_BOT)
    active_users = ListField(StringField(), db_field="activeUsers")
    active_sessions = ListField(ObjectIdField(), db_field="activeSessions")
    slots = EmbeddedDocumentListField(SlotId)
    is_online = BooleanField(db_field="isOnline", default=True)
    is_away = BooleanField(db_field="isAway", default=False)
    present_until = DateTimeField(db_field="presentUntil")
    load = IntField(default=0)
    has_room = BooleanField(db_field="hasRoom", default=True, null=True)
    """Null for a bot: only a claim that names the bot gets a slot of it."""
    idle_since = DateTimeField(db_field="idleSince", default=now)
    was_idle_since = DateTimeField(db_field="wasIdleSince")
    email = StringField(max_length=254)
    password_hash = StringField(db_field="passwordHash")
    signed_in_from = ListField(StringField(), db_field="signedInFrom")
    role = StringField(choices=ROLES, default=MEMBER)
    kind = StringField(choices=KINDS)
    """Missing for people of releases without bots."""
    department_ids = ListField(ObjectIdField(), db_field="departmentIds", default=None)
    """The departments whose sessions the agent may have, after NO_DEPARTMENT. Null or missing: all."""
    departments_since = DateTimeField(db_field="departmentsSince")
    """When `departmentIds` last changed: sessions that the agent has had for longer stay with it."""
    unrecorded = unrecorded_field()
    created_at = DateTimeField(db_field="createdAt", required=True, default=now)
    updated_at = DateTimeField(db_field="updatedAt", required=True, default=now)

    meta: ClassVar[dict[str, Any]] = {
        "collection": "agents",
        "indexes": [
            # Equality first, then the order of choice: one descent finds the agent.
            {"name": "least_loaded", "fields": ["is_online", "is_away", "has_room", "load", "idle_since", "_id"]},
            # The same for the sessions of a department, merged from the agents of all departments and the department's.
            {
                "name": "least_loaded_by_department",
                "fields": ["is_online", "is_away", "has_room", "department_ids", "load", "idle_since", "_id"],
            },
            {"name": "by_name", "fields": ["name", "_id"]},
            # Agents whose lease has run out, and agents who are away but have sessions. Both are nearly always empty.
            {
                "name": "leases",
                "fields": ["present_until"],
                "partialFilterExpression": {"isAway": False, "presentUntil": {"$exists": True}},
            },
            {
                "name": "away_with_sessions",
                "fields": ["load"],
                "partialFilterExpression": {"isAway": True, "load": {"$gt": 0}},
            },
            # Finds the agent of a sign-in. Emails are stored in small letters.
            {
                "name": "one_agent_per_email",
                "fields": ["email"],
                "unique": True,
                "partialFilterExpression": {"email": {"$gt": ""}},
            },
            UNRECORDED_INDEX,
        ],
    }


def role_of(agent: Mapping[str, Any]) -> str:
    """Return an agent's role. Agents from releases without roles are members."""
    return SUPERVISOR if agent.get("role") == SUPERVISOR else MEMBER


def is_bot(agent: Mapping[str, Any]) -> bool:
    """Tell whether an agent is a program."""
    return agent.get("kind") == BOT


def may_have(department_id: ObjectId | None) -> dict[str, Any]:
    """Return the condition on the agents who may have a session that is kept for this department, or for none."""
    return {} if department_id is None else {"departmentIds": {"$in": [None, department_id]}}


def departments_of(agent: Mapping[str, Any]) -> list[ObjectId] | None:
    """Return the departments of an agent, or None for all."""
    listed = agent.get("departmentIds")
    return None if listed is None else [one for one in listed if one != NO_DEPARTMENT]


_IS_FREE = {"$lt": [{"$size": {"$ifNull": ["$activeSessions", []]}}, "$maxUsers"]}
IS_FREE = {"$expr": _IS_FREE}
"""Matches agents with a free slot, also bots."""
HAS_ROOM = {"$cond": [{"$eq": ["$kind", BOT]}, None, _IS_FREE]}
"""The expression for `hasRoom`."""


def derived() -> list[dict[str, Any]]:
    """Return the pipeline stages that recompute the fields derived from the slots. They end every update of slots."""
    return [
        {"$set": {"load": {"$size": "$activeSessions"}}},
        {"$set": {"hasRoom": HAS_ROOM, "updatedAt": "$$NOW"}},
    ]
