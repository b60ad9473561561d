"""How long waiting sessions are reserved for the agents of their departments.

While a waiting session has `reservedFor`, only agents of that department may have it. Every process looks for sessions
that have waited for `overflowAfter`, or whose department is gone, and opens them to every agent: twice a second while a
session is reserved, otherwise once a second.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument

from chatsupport import events, recording
from chatsupport.background import Remembered
from chatsupport.database.clock import elapsed, now
from chatsupport.documents import Agent, Session
from chatsupport.documents.agent import ANY_STATE, NO_DEPARTMENT
from chatsupport.documents.session import OPEN, WAITING
from chatsupport.events import SessionUpdated
from chatsupport.services.assignment import queue, serving
from chatsupport.services.people import departments

logger = logging.getLogger(__name__)

Document = dict[str, Any]

LOOK_SECONDS = 0.5
IDLE_LOOK_SECONDS = 1.0
"""How often to look while no session is reserved: an `overflowAfter` is at least as long."""
_OF_A_DEPARTMENT = {"departmentId": {"$gte": NO_DEPARTMENT}}

DELETED_LATELY_SECONDS = 15.0
"""For so long after a deletion, a start or transfer that began before it may still be stored for the department."""

_ids: Remembered[set[ObjectId]] = Remembered()
"""The departments that this process saw when it looked last."""
_deleted_lately: dict[ObjectId, float] = {}
"""The departments that this process has deleted or seen to be deleted, and when."""
_is_idle: Remembered[bool] = Remembered()
"""Whether no session was reserved at the last look."""


def pause() -> float:
    """Return the seconds until the next look."""
    return IDLE_LOOK_SECONDS if _is_idle.get() else LOOK_SECONDS


def look() -> None:
    """Open the sessions that have waited for their departments for too long, or whose departments are gone."""
    reserved, known = queue.reserved_since()
    _is_idle.keep(not reserved, math.inf)
    if not reserved.keys() <= known.keys():
        known = departments.read()  # These existed before, so one that is missing now was deleted.
    time, opened = now(), 0
    _finish_deletions(known)
    for department_id, since in reserved.items():
        department = known.get(department_id)
        if department is None:
            opened += _dissolve_sessions(department_id)
        elif department.get("overflowAfter") is not None:
            due = time - timedelta(seconds=department["overflowAfter"])
            if since <= due:
                opened += _open({"reservedFor": department_id, "reservedAt": {"$lte": due}})
    if opened:
        logger.info("Sessions may go to every agent now", extra={"event": "sessions_overflowed", "sessions": opened})
        serving.drain_queue()


def _finish_deletions(known: Mapping[ObjectId, Document]) -> None:
    """Complete the deletions of departments after which a process was killed, or a session was stored late."""
    before = _ids.get()
    if before is None:
        listed = Agent.collection().distinct("departmentIds", ANY_STATE)
        of_sessions = Session.collection().distinct("departmentId", {"status": {"$in": list(OPEN)}, **_OF_A_DEPARTMENT})
        before = {*listed, *of_sessions} - {NO_DEPARTMENT, None}
        known = departments.read()  # Those that came between the two reads are there.
    for department_id in before - known.keys():
        dissolve(department_id)
    _ids.keep(set(known), math.inf)
    for department_id, seen_at in list(_deleted_lately.items()):
        _dissolve_sessions(department_id)
        if elapsed() > seen_at + DELETED_LATELY_SECONDS:
            del _deleted_lately[department_id]


def dissolve(department_id: ObjectId) -> None:
    """Take a deleted department off the lists of agents, and open its sessions to every agent. May be repeated."""
    _deleted_lately[department_id] = elapsed()  # If it was made a moment ago, no look may have seen it.
    departments.take_off_lists([department_id])
    _dissolve_sessions(department_id)
    serving.drain_queue()
    queue.announce_positions()


def _dissolve_sessions(department_id: ObjectId) -> int:
    """Take the open sessions of a department out of it. Returns how many were kept for it."""
    opened, sessions = _open({"reservedFor": department_id}), Session.collection()
    for status in OPEN:
        for session in list(sessions.find({"status": status, "departmentId": department_id}, {"_id": 1})):
            which = {"_id": session["_id"], "departmentId": department_id}
            marks = recording.marks(recording.SESSION_UPDATED)
            change = {"$unset": {"departmentId": ""}, "$set": {"updatedAt": now()}, **recording.pushed(marks)}
            updated = sessions.find_one_and_update(which, change, return_document=ReturnDocument.AFTER)
            if updated is not None:
                recording.look_after(sessions, session["_id"], recording.SESSION_UPDATED, marks)
                events.happened(SessionUpdated(updated))
    return opened


def _open(which: Document) -> int:
    """Let every agent have these waiting sessions. They keep their age."""
    opened = Session.collection().update_many(
        {"status": WAITING, **which}, {"$unset": {"reservedFor": "", "reservedAt": ""}}
    )
    return int(opened.modified_count)
