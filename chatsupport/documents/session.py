"""A chat session: one visitor's conversation, from its start to its end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from mongoengine import (
    BooleanField,
    DateTimeField,
    DictField,
    EmbeddedDocument,
    EmbeddedDocumentField,
    EmbeddedDocumentListField,
    FloatField,
    IntField,
    LongField,
    ObjectIdField,
    StringField,
)

from chatsupport.database.clock import now
from chatsupport.documents.base import CHANGED, KEPT, REMOVED, BaseDocument
from chatsupport.documents.recorded import UNRECORDED_INDEX, unrecorded_field

WAITING, ACTIVE, ENDED = "waiting", "active", "ended"
STATUSES = (WAITING, ACTIVE, ENDED)
OPEN = (WAITING, ACTIVE)

FRONT, BACK = 0, 1
"""Where a session joins the queue: sessions that already had an agent come before new ones."""

QUEUE_ORDER = [("queuePriority", 1), ("queuedAt", 1), ("_id", 1)]
NEWEST_FIRST = [("createdAt", -1), ("_id", -1)]

UNTOLD_INDEX = "untold"
BY_DEPARTMENT_INDEX = "queue_by_department"

ASSIGNMENT_REASONS = (STICKY, BY_LOAD, TRANSFER, TAKE_OVER, OVERFLOW, BOT) = (
    "sticky",
    "least_loaded",
    "transfer",
    "take_over",
    "overflow",
    "bot",
)
"""Why a session went to its agent."""

_HAS_DEPARTMENT = {"$gt": ["$departmentId", None]}
RESERVED = {
    "reservedFor": {"$cond": [_HAS_DEPARTMENT, "$departmentId", "$$REMOVE"]},
    "reservedAt": {"$cond": [_HAS_DEPARTMENT, "$$NOW", "$$REMOVE"]},
}
"""The values of a pipeline update that keeps a session that begins to wait for its department."""


def waits_since(session: Mapping[str, Any]) -> datetime:
    """Return since when a session's user has waited for a person: since its start, or since it left its bot."""
    since: datetime = session.get("handedOverAt") or session["createdAt"]
    return since


def is_with_bot(session: Mapping[str, Any]) -> bool:
    """Tell whether a session has, or last had, its bot."""
    return session.get("botId") is not None and session.get("agentId") == session["botId"]


class ReadMark(EmbeddedDocument):
    """The seq up to which a participant has read."""

    user_id = StringField(db_field="userId", required=True, max_length=128)
    user_type = StringField(db_field="userType", required=True)
    seq = LongField(required=True)

    meta: ClassVar[dict[str, Any]] = {"strict": False}


class Mark(EmbeddedDocument):
    """An event of the session that was not announced yet; see `services/shared/outbox.py`."""

    mark_id = ObjectIdField(db_field="id", required=True)
    kind = StringField(required=True)
    at = DateTimeField(required=True)
    agent_id = ObjectIdField(db_field="agentId")
    slot_id = ObjectIdField(db_field="slotId")
    reason = StringField()
    caller_id = StringField(db_field="callerId")
    caller_type = StringField(db_field="callerType")
    handover = DictField()
    """What a bot leaves behind, if the session leaves its bot; see `services/assignment/closing_lines.py`."""

    meta: ClassVar[dict[str, Any]] = {"strict": False}


class Assignment(EmbeddedDocument):
    """Why a session has, or last had, its agent."""

    reason = StringField(required=True, choices=ASSIGNMENT_REASONS)
    at = DateTimeField(required=True)
    load = IntField(required=True)
    """How many other sessions the agent had."""

    meta: ClassVar[dict[str, Any]] = {"strict": False}


class Session(BaseDocument):
    """One conversation. `status` goes waiting → active → ended, and back to waiting if the session loses its agent."""

    user_id = StringField(db_field="userId", required=True, max_length=128, erasure=CHANGED)
    user_type = StringField(db_field="userType", required=True, choices=("user", "agent"), default="user", erasure=KEPT)
    guest_id = StringField(db_field="guestId", max_length=128, erasure=REMOVED)
    """The guest's id, for a moment after the guest has become a user (`services/sessions/identification.py`)."""
    agent_id = ObjectIdField(db_field="agentId", null=True)
    slot_id = ObjectIdField(db_field="slotId")
    status = StringField(required=True, choices=STATUSES, default=WAITING, erasure=KEPT)
    queue_priority = IntField(db_field="queuePriority", default=BACK)
    queued_at = DateTimeField(db_field="queuedAt")
    assigned_at = DateTimeField(db_field="assignedAt")
    first_assigned_at = DateTimeField(db_field="firstAssignedAt")
    preferred_agent_id = ObjectIdField(db_field="preferredAgentId")
    avoid_agent_id = ObjectIdField(db_field="avoidAgentId")
    avoid_strictly = BooleanField(db_field="avoidStrictly")
    bot_id = ObjectIdField(db_field="botId")
    """The bot with which the session began."""
    bot_due_at = DateTimeField(db_field="botDueAt")
    """While the bot has the session: when to look whether it answers."""
    handed_over_at = DateTimeField(db_field="handedOverAt")
    """When the session left its bot. Its user has waited for a person since then."""
    handed_over_by = StringField(db_field="handedOverBy", erasure=KEPT)
    """The type of the caller that handed it over: the bot is an agent. Missing if nobody asked for it."""
    department_id = ObjectIdField(db_field="departmentId", null=True)
    reserved_for = ObjectIdField(db_field="reservedFor")
    """While the session waits: the department whose agents alone may have it. Missing if every agent may."""
    reserved_at = DateTimeField(db_field="reservedAt")
    assignment = EmbeddedDocumentField(Assignment, erasure=KEPT)
    unassigned_reason = StringField(db_field="unassignedReason", erasure=KEPT)
    no_reply_due_at = DateTimeField(db_field="noReplyDueAt")
    idle_due_at = DateTimeField(db_field="idleDueAt")
    idle_warned_at = DateTimeField(db_field="idleWarnedAt")
    ended_at = DateTimeField(db_field="endedAt", null=True)
    end_reason = StringField(db_field="endReason", null=True, max_length=200, erasure=CHANGED)
    internal_reason = StringField(db_field="internalReason", max_length=200, erasure=REMOVED)
    ended_by = StringField(db_field="endedBy", max_length=128, erasure=CHANGED)
    total_messages = IntField(db_field="totalMessages")
    average_response_time = FloatField(db_field="averageResponseTime")
    first_response_ms = LongField(db_field="firstResponseMs", null=True)
    untold = EmbeddedDocumentListField(Mark, erasure=CHANGED)
    """Its marks are removed when everybody was told, before an erasure ends. What a bot left in them is erased."""
    unrecorded = unrecorded_field()
    recorded_through = LongField(db_field="recordedThrough")
    """The seq up to which its messages are recorded, if the feed of events has deleted the events that say so."""
    read_seq = EmbeddedDocumentListField(ReadMark, db_field="readSeq", erasure=CHANGED)
    features = DictField(erasure=CHANGED)
    """What features keep with the session, each under its own name."""
    erased = BooleanField()
    created_at = DateTimeField(db_field="createdAt", required=True, default=now)
    updated_at = DateTimeField(db_field="updatedAt", required=True, default=now)

    meta: ClassVar[dict[str, Any]] = {
        "collection": "sessions",
        "indexes": [
            # Keeps a user from having two open sessions, whatever runs concurrently.
            {
                "name": "one_open_session_per_user",
                "fields": ["user_id", "user_type"],
                "unique": True,
                "partialFilterExpression": {"status": {"$in": list(OPEN)}},
            },
            # The queue, in the order in which it is served.
            {"name": "queue", "fields": ["status", "queue_priority", "queued_at", "_id"]},
            # The same, for an agent who may not have every session: the parts of its departments are merged.
            {
                "name": BY_DEPARTMENT_INDEX,
                "fields": ["status", "reserved_for", "queue_priority", "queued_at", "_id"],
                "partialFilterExpression": {"status": WAITING},
            },
            # The departments for which sessions are kept, and since when.
            {
                "name": "reserved",
                "fields": ["reserved_for", "reserved_at"],
                "partialFilterExpression": {"reservedFor": {"$exists": True}},
            },
            # The places in the queue of a department, and its open sessions.
            {
                "name": "places_in_department",
                "fields": ["status", "department_id", "queue_priority", "queued_at", "_id"],
                "partialFilterExpression": {"departmentId": {"$exists": True}},
            },
            # The sessions that are due to be checked, if NO_REPLY_AFTER or IDLE_END_AFTER is set.
            {"name": "no_reply_due", "fields": ["status", "no_reply_due_at"]},
            {"name": "idle_due", "fields": ["status", "idle_due_at"]},
            # The sessions whose bot may have stopped answering.
            {
                "name": "bot_due",
                "fields": ["bot_due_at"],
                "partialFilterExpression": {"botDueAt": {"$exists": True}},
            },
            # The sessions that RETENTION_DAYS deletes.
            {"name": "ended", "fields": ["ended_at"], "partialFilterExpression": {"status": ENDED}},
            # The sessions with events that were not announced yet. Nearly always empty.
            {
                "name": UNTOLD_INDEX,
                "fields": ["untold.at"],
                "partialFilterExpression": {"untold.at": {"$exists": True}},
            },
            UNRECORDED_INDEX,
            # The lists, newest first.
            {"name": "newest", "fields": ["-created_at", "-_id"]},
            {"name": "newest_by_status", "fields": ["status", "-created_at", "-_id"]},
            {"name": "newest_by_agent", "fields": ["agent_id", "-created_at", "-_id"]},
            {"name": "newest_by_agent_and_status", "fields": ["agent_id", "status", "-created_at", "-_id"]},
            {
                "name": "newest_by_end_reason",
                "fields": ["end_reason", "-created_at", "-_id"],
                "partialFilterExpression": {"status": ENDED},
            },
            {
                "name": "newest_by_internal_reason",
                "fields": ["internal_reason", "-created_at", "-_id"],
                "partialFilterExpression": {"internalReason": {"$exists": True}},
            },
            {"name": "newest_by_user", "fields": ["user_id", "-created_at", "-_id"]},
        ],
    }
