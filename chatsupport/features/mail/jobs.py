"""The mails to be sent, in the database: made once, claimed by one process at a time, tried again for a day.

Every process sends. A claim runs out `CLAIM_SECONDS` after its process was killed, and another process sends the mail.
A mail is sent twice, with one Message-ID, only if its process was killed or could not reach the database after the mail
server had taken it and before that was noted.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument

from chatsupport.database.clock import now
from chatsupport.errors import RateLimitedError
from chatsupport.extensions import settings, socketio
from chatsupport.features.mail import smtp
from chatsupport.features.mail.documents import CANCELLED, FAILED, SENT, WAITING, MailJob, insert_or_update
from chatsupport.features.mail.letters import CancelledError
from chatsupport.features.mail.parsers import MAIL_FROM, SMTP_URL
from chatsupport.features.mail.smtp import MailError
from chatsupport.observability import metrics
from chatsupport.realtime.native_threads import call_out

logger = logging.getLogger(__name__)

Document = dict[str, Any]
Writer = Callable[[Document], EmailMessage]
"""Returns the mail of a job, or raises `CancelledError` with the reason why it must not be sent any more."""

LOOK_SECONDS, RENEW_SECONDS, COUNT_SECONDS = 1.0, 3.0, 15.0
CLAIM_SECONDS = 12.0
AT_ONCE = 4
PAUSES = (10, 30, 60, 300, 900, 1800, 3600)
"""Seconds until the next attempt. The last one is repeated."""
TRIED_FOR, KEPT = timedelta(days=1), timedelta(days=1)
MOST_COUNTED = 10_000

_room = threading.BoundedSemaphore(AT_ONCE)
_claims: dict[str, str] = {}
"""The jobs that this process is sending, with their claims."""
_writers: dict[str, Writer] = {}


def is_offered() -> bool:
    """Tell whether there is a mail server."""
    return settings.config.value(SMTP_URL) is not None


def writer(kind: str) -> Callable[[Writer], Writer]:
    """Register the function that writes mails of this kind."""

    def register(write: Writer) -> Writer:
        _writers[kind] = write
        return write

    return register


def add(
    job_id: str,
    kind: str,
    to: str,
    details: Mapping[str, Any],
    session_id: ObjectId | None = None,
    tried_for: timedelta = TRIED_FOR,
) -> Document:
    """Store a mail to be sent, unless there is one with this id. Returns the stored job."""
    time = now()
    new: Document = {
        "kind": kind,
        "to": to,
        "details": dict(details),
        "state": WAITING,
        "attempts": 0,
        "nextAt": time,
        "createdAt": time,
        "giveUpAt": time + tried_for,
        "expiresAt": time + tried_for + KEPT,
        **({} if session_id is None else {"sessionId": session_id}),
    }
    return insert_or_update(MailJob, job_id, {"$setOnInsert": new})


def send_waiting() -> None:
    """Begin to send what is due, a few mails at a time."""
    if not is_offered():
        return
    while _room.acquire(blocking=False):
        job = None
        try:
            job = _claim()
        finally:
            if job is None:
                _room.release()
        if job is None:
            return
        socketio.start_background_task(_send, job)


def renew() -> None:
    """Keep the claims on the jobs that this process is sending."""
    if _claims:
        mine = {"_id": {"$in": list(_claims)}, "claim": {"$in": list(_claims.values())}, "state": WAITING}
        MailJob.collection().update_many(mine, {"$set": {"nextAt": now() + timedelta(seconds=CLAIM_SECONDS)}})


def count() -> None:
    """Count the waiting jobs, for the metrics."""
    if is_offered():
        metrics.MAIL_WAITING.set(MailJob.collection().count_documents({"state": WAITING}, limit=MOST_COUNTED))


def is_idle() -> bool:
    """Tell whether this process is sending nothing."""
    return not _claims


def _claim() -> Document | None:
    time, claim = now(), uuid.uuid4().hex
    due = {"state": WAITING, "nextAt": {"$lte": time}}
    taken = {"$set": {"nextAt": time + timedelta(seconds=CLAIM_SECONDS), "claim": claim}, "$inc": {"attempts": 1}}
    job: Any = MailJob.collection().find_one_and_update(
        due, taken, sort=[("nextAt", 1)], return_document=ReturnDocument.AFTER
    )
    if job is None:
        return None
    _claims[job["_id"]] = claim
    return dict(job)


def _send(job: Document) -> None:
    try:
        _attempt(job)
    except Exception:
        logger.exception("A mail could not be sent", extra=_about(job))
        _try_again(job, "an error of this server")
    finally:
        _claims.pop(job["_id"], None)
        _room.release()


def _attempt(job: Document) -> None:
    server, sender = settings.config.value(SMTP_URL), settings.config.value(MAIL_FROM)
    if server is None or sender is None:
        return  # The claim runs out, and a server that is configured sends it.
    try:
        letter = _writers[job["kind"]](job)
        call_out(smtp.send, server, sender.domain, letter)
    except CancelledError as why:
        _finish(job, CANCELLED, str(why))
        return
    except MailError as error:
        logger.warning("The mail server did not take a mail", extra={**_about(job), "reason": str(error)})
        if error.is_final:
            _finish(job, FAILED, str(error))
        else:
            _try_again(job, str(error))
        return
    except RateLimitedError:
        _try_again(job, "too many calls to other servers at once")
        return
    _finish(job, SENT, None)
    logger.info("A mail was sent", extra=_about(job))


def _finish(job: Document, state: str, reason: str | None) -> None:
    values = {"state": state, "expiresAt": now() + KEPT, **({"reason": reason} if reason else {})}
    changed = {"$set": values, "$unset": {"to": "", "claim": ""}}
    if MailJob.collection().update_one(_mine(job), changed).modified_count:
        metrics.MAILS.add(state)


def _try_again(job: Document, reason: str) -> None:
    time = now()
    pause = timedelta(seconds=PAUSES[min(job["attempts"], len(PAUSES)) - 1])
    if time + pause >= job["giveUpAt"]:
        _finish(job, FAILED, reason)
        return
    changed = {"$set": {"nextAt": time + pause, "reason": reason}, "$unset": {"claim": ""}}
    MailJob.collection().update_one(_mine(job), changed)


def _mine(job: Document) -> Document:
    return {"_id": job["_id"], "claim": job["claim"], "state": WAITING}


def _about(job: Document) -> Document:
    return {"event": "mail", "job": job["_id"], "kind": job["kind"], "attempt": job["attempts"]}
