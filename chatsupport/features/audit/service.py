"""The audit log: each action, its caller and address, and the session, agent or person it concerned.

An operator's action is written before the operator gets the answer. Events of chats (a start, an assignment, an end)
are written a moment later by the process that caused them, many at a time, so that no chat waits for its entry. If an
entry cannot be written, the action still stands; the log says so, and the write is tried again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo.errors import BulkWriteError, PyMongoError

from chatsupport import identity
from chatsupport.background import Buffered
from chatsupport.config import Variable
from chatsupport.config import parsers as parse
from chatsupport.database.clock import now
from chatsupport.database.connection import already_there
from chatsupport.errors import InvalidInputError
from chatsupport.events import SessionChange
from chatsupport.extensions import settings
from chatsupport.features.audit.documents import AuditEntry
from chatsupport.features.audit.models import AuditFilter
from chatsupport.identity import Caller
from chatsupport.observability.logs import context
from chatsupport.personal_data import Erasure
from chatsupport.services.people import tombstones
from chatsupport.services.shared import access, pages
from chatsupport.services.shared.pages import Document

logger = logging.getLogger(__name__)

START, ASSIGN, REQUEUE, TRANSFER, UPDATE, END = "start", "assign", "requeue", "transfer", "update", "end"
TOKEN, REVOKE, BLOCK, UNBLOCK = "token", "revoke", "block", "unblock"
AGENT_CREATED, AGENT_CHANGED, AGENT_DELETED = "agent_created", "agent_changed", "agent_deleted"
SIGN_IN, SIGN_IN_FAILED, SIGN_OUT, IDENTIFY = "sign_in", "sign_in_failed", "sign_out", "identify"
READ, EXPORT, ERASE, RETENTION = "read", "export", "erase", "retention"
SETTINGS_CHANGED, TRANSCRIPT_MAILED = "settings_changed", "transcript_mailed"
REPLY_CREATED, REPLY_CHANGED, REPLY_DELETED = "reply_created", "reply_changed", "reply_deleted"
DEPARTMENT_CREATED, DEPARTMENT_CHANGED = "department_created", "department_changed"
DEPARTMENT_DELETED = "department_deleted"
WEBHOOK_CREATED, WEBHOOK_CHANGED, WEBHOOK_DELETED = "webhook_created", "webhook_changed", "webhook_deleted"
WEBHOOK_SECRET_ROTATED, WEBHOOK_TESTED = "webhook_secret_rotated", "webhook_tested"
WEBHOOK_RETRIED, WEBHOOK_RECOVERED = "webhook_retried", "webhook_recovered"
ACTIONS = frozenset(
    {START, ASSIGN, REQUEUE, TRANSFER, UPDATE, END, TOKEN, REVOKE, BLOCK, UNBLOCK}
    | {AGENT_CREATED, AGENT_CHANGED, AGENT_DELETED}
    | {SIGN_IN, SIGN_IN_FAILED, SIGN_OUT, IDENTIFY, READ, EXPORT, ERASE, RETENTION}
    | {DEPARTMENT_CREATED, DEPARTMENT_CHANGED, DEPARTMENT_DELETED}
    | {REPLY_CREATED, REPLY_CHANGED, REPLY_DELETED, SETTINGS_CHANGED, TRANSCRIPT_MAILED}
    | {WEBHOOK_CREATED, WEBHOOK_CHANGED, WEBHOOK_DELETED, WEBHOOK_SECRET_ROTATED}
    | {WEBHOOK_TESTED, WEBHOOK_RETRIED, WEBHOOK_RECOVERED}
)

SERVER = "server"
"""The caller type of the server itself, for what it does unasked."""

AUDIT_DAYS = Variable("AUDIT_DAYS", parse.integer(1, 3650), 365)

MAX_PENDING = 10_000
SOON_SECONDS = 0.05

_SIGNING_IN = frozenset({SIGN_IN, SIGN_IN_FAILED, SIGN_OUT})
READING_SECONDS = 600.0
MAX_READINGS = 20_000

_mutex = threading.Lock()
_readings: OrderedDict[tuple[Caller, ObjectId], float] = OrderedDict()
"""When a reader of a chat was last recorded."""


def record(action: str, caller: Caller | None, **subject: Any) -> None:
    """Write an entry now.

    `subject` holds any of session_id, agent_id, user_id and user_type, `address` if the caller is unknown, and details
    by name.

    Raises nothing, because the action has already happened.
    """
    entry = _entry(action, caller, subject)
    try:
        AuditEntry.collection().insert_one(entry)
    except PyMongoError:
        logger.exception("An audit entry could not be written yet", extra={"action": action})
        _pending.add(entry["_id"], entry)


def record_change(action: str, event: SessionChange, *, agent_id: ObjectId | None = None, **details: Any) -> None:
    """Write an entry about a change of a session soon, together with others. The same event twice makes one entry.

    `agent_id` names the agent concerned, if it is not the session's current one.
    """
    subject = _subject(event.session)
    if agent_id is not None:
        subject["agent_id"] = agent_id
    # An event that is announced late has no request, or not the one that caused it.
    asked = {} if event.caller is None or event.is_late else context.current()
    entry = _entry(action, event.caller, {**subject, **details}, asked=asked, at=event.at)
    _pending.add(event.id, {**entry, "_id": event.id})


def record_reading(caller: Caller, session: Mapping[str, Any]) -> None:
    """Record soon that an operator or supervisor reads a chat without taking part in it.

    Each process records a caller and a chat once in `READING_SECONDS`, so a console that polls is recorded once.
    """
    if not caller.may_act_for_others and access.may_access(caller, session):
        return
    key, time_now = (caller, session["_id"]), time.monotonic()
    with _mutex:
        noted_at = _readings.get(key)
        if noted_at is not None and time_now - noted_at < READING_SECONDS:
            return
        _readings[key] = time_now
        _readings.move_to_end(key)
        while len(_readings) > MAX_READINGS:
            _readings.popitem(last=False)
    entry = _entry(READ, caller, _subject(session))
    _pending.add(entry["_id"], entry)


def _subject(session: Mapping[str, Any]) -> Document:
    return {
        "session_id": session["_id"],
        "agent_id": session.get("agentId"),
        "user_id": session.get("userId"),
        "user_type": session.get("userType", "user") if "userId" in session else None,
    }


def entries(caller: Caller, wanted: AuditFilter) -> tuple[list[Document], str | None]:
    """Return one page of the log, newest first, and the cursor of the next. For operators only."""
    access.require_operator(caller)
    if wanted.action is not None and wanted.action not in ACTIONS:
        raise InvalidInputError("INVALID_ACTION", f"action must be one of {', '.join(sorted(ACTIONS))}.")
    flush()
    fields = {
        "action": wanted.action,
        "userId": wanted.user_id,
        "agentId": wanted.agent_id,
        "sessionId": wanted.session_id,
    }
    query = {name: value for name, value in fields.items() if value is not None}
    return pages.read(AuditEntry.collection(), query, wanted.limit, wanted.cursor, time="at")


def _write(entries: dict[ObjectId, Document]) -> None:
    batch = list(entries.values())
    try:
        AuditEntry.collection().insert_many(batch, ordered=False)
    except BulkWriteError as error:
        already_there(error)  # An earlier attempt was stored although it seemed to have failed.
    _take_out_erased(batch)


def _take_out_erased(batch: list[Document]) -> None:
    """Take people out of entries just written if they were erased while the entries waited."""
    time = now()
    late = [entry for entry in batch if (time - entry["at"]).total_seconds() > tombstones.LATE_SECONDS]
    if not late:
        return
    people = {Caller(entry["userId"], entry["userType"]) for entry in late if entry.get("userId") is not None}
    people |= {Caller(entry["callerId"], entry["callerType"]) for entry in late if entry["callerId"] is not None}
    ids = [entry["_id"] for entry in late]
    for person, until in tombstones.erased_among(people).items():
        erasure = Erasure(person, until)
        unname({"_id": {"$in": ids}, "at": erasure.not_later}, person, erasure.pseudonym)


def unname(which: Document, person: Caller, name: str) -> None:
    """Put a pseudonym in a person's place in these entries. Remove free text (names, reasons, the callers' request ids)
    and the person's own address.
    """
    is_caller = _is(person, "callerId", "callerType")
    is_subject = _is(person, "userId", "userType")
    is_about_agent = {"$and": [{"$eq": ["$agentId", _object_id(person)]}, {"$in": ["$action", list(_SIGNING_IN)]}]}
    own_address = {"$or": [is_caller, is_about_agent]}
    texts = {"$ne": [{"$type": "$$detail.v"}, "string"]}
    details = {"$objectToArray": {"$ifNull": ["$details", {}]}}
    AuditEntry.collection().update_many(
        which,
        [
            {
                "$set": {
                    "address": {"$cond": [own_address, None, "$address"]},
                    "requestId": None,
                    "details": {"$arrayToObject": {"$filter": {"input": details, "as": "detail", "cond": texts}}},
                    "callerId": {"$cond": [is_caller, {"$literal": name}, "$callerId"]},
                    "userId": {"$cond": [is_subject, {"$literal": name}, {"$ifNull": ["$userId", "$$REMOVE"]}]},
                }
            }
        ],
    )


def _is(person: Caller, id_field: str, type_field: str) -> Document:
    return {"$and": [{"$eq": [f"${id_field}", {"$literal": person.id}]}, {"$eq": [f"${type_field}", person.type]}]}


def _object_id(person: Caller) -> ObjectId | None:
    return ObjectId(person.id) if person.type == identity.AGENT and ObjectId.is_valid(person.id) else None


def _entry(
    action: str,
    caller: Caller | None,
    subject: Document,
    *,
    asked: Mapping[str, Any] | None = None,
    at: datetime | None = None,
) -> Document:
    time = at or now()
    if asked is None:
        # No caller: timed work runs in greenlets without a request, or in ones that began within somebody's request.
        asked = {} if caller is None else context.current()
    address = subject.pop("address", None)
    known = {
        "sessionId": subject.pop("session_id", None),
        "agentId": subject.pop("agent_id", None),
        "userId": subject.pop("user_id", None),
        "userType": subject.pop("user_type", None),
    }
    return {
        "_id": ObjectId(),
        "at": time,
        "action": action,
        "callerId": None if caller is None else caller.id,
        "callerType": SERVER if caller is None else caller.type,
        "address": address or asked.get("address"),
        "requestId": asked.get("request_id"),
        **{name: value for name, value in known.items() if value is not None},
        "details": {name: value for name, value in subject.items() if value is not None},
        "expiresAt": time + timedelta(days=settings.config.value(AUDIT_DAYS)),
    }


_pending: Buffered[ObjectId, Document] = Buffered(_write, SOON_SECONDS, at_once=True, most=MAX_PENDING)
flush = _pending.flush
