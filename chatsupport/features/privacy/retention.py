"""Delete what is too old: ended sessions with their messages (RETENTION_DAYS), audit entries, and denials.

Nothing is deleted by age while clocks disagree, because the wrong clock may be the database's.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from typing import Any

from bson import ObjectId

from chatsupport import documents, events, feature, serializers
from chatsupport.config import Variable
from chatsupport.config import parsers as parse
from chatsupport.database.clock import now
from chatsupport.documents import Message, Session
from chatsupport.documents.session import ENDED, waits_since
from chatsupport.events import OldSessionsDeleted
from chatsupport.extensions import settings
from chatsupport.services.server import processes, totals

logger = logging.getLogger(__name__)

RETENTION_DAYS: Variable[int | None] = Variable("RETENTION_DAYS", parse.days(1, 3650), None)

BATCH = 200
_NEVER = datetime.min.replace(tzinfo=timezone.utc)


_told: list[str] = []


def sweep() -> int:
    """Delete what is too old, batch by batch, unless clocks disagree. Returns the number of deleted sessions."""
    if _clocks_disagree():
        return 0
    for document in documents.ALL:
        if document._meta.get("runs_out"):
            _delete_run_out(document.collection())
    days = settings.config.value(RETENTION_DAYS)
    if days is None:
        return 0
    before = min([now() - timedelta(days=days), *_needed_since()])
    deleted = 0
    while count := _delete_batch({"status": ENDED, "endedAt": {"$lt": before}}):
        deleted += count
    if deleted:
        logger.info("Old sessions were deleted", extra={"event": "retention", "count": deleted})
        events.happened(OldSessionsDeleted(deleted, before))
    return deleted


def _needed_since() -> list[datetime]:
    """Return for each feature the time from which on it still needs the ended sessions."""
    needs = [each.needs_ended_since for each in feature.installed() if each.needs_ended_since is not None]
    return [since() or _NEVER for since in needs]


def _clocks_disagree() -> bool:
    """Tell whether clocks disagree, so that ages are unknown. Logs it once."""
    wrong = processes.here.wrong_clocks()
    if wrong and not _told:
        logger.warning(
            "Nothing old is deleted while clocks disagree: that of %s",
            "; that of ".join(wrong),
            extra={"event": "clocks"},
        )
    _told[:] = wrong
    return bool(wrong)


def _delete_run_out(collection: Any) -> None:
    run_out = {"expiresAt": {"$lte": now()}}
    while ids := [row["_id"] for row in collection.find(run_out, {"_id": 1}, limit=BATCH)]:
        collection.delete_many({"_id": {"$in": ids}, **run_out})


def _delete_batch(which: dict[str, Any]) -> int:
    """Delete some sessions, what belongs to them first: a process that is killed in between leaves nothing alone."""
    sessions = list(Session.collection().find(which, limit=BATCH))
    ids = [session["_id"] for session in sessions]
    if not ids:
        return 0
    Message.collection().delete_many({"sessionId": {"$in": ids}})
    _delete_of_features(ids)
    for session in sessions:
        # One by one: this process subtracts only its own deletions from the totals.
        if Session.collection().delete_one({"_id": session["_id"], **which}).deleted_count:
            totals.add(**_taken_from_totals(session))
    _delete_of_features(ids)  # What came in between.
    return len(ids)


def _delete_of_features(session_ids: list[ObjectId]) -> None:
    for each in feature.installed():
        if each.personal_data is not None:
            each.personal_data.delete_with_sessions(session_ids)


def _taken_from_totals(session: dict[str, Any]) -> dict[str, int]:
    """Return a session's share of the totals, negated."""
    amounts = {"ended": -1, "endedMs": -serializers.milliseconds_between(session["createdAt"], session["endedAt"])}
    assigned_at = session.get("firstAssignedAt")
    if assigned_at is not None:
        waited = serializers.milliseconds_between(waits_since(session), assigned_at)
        amounts.update(assigned=-1, waitedMs=-waited)
    return amounts
