"""Transcripts by mail: for users to their own address, for staff to any."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from email.message import EmailMessage
from typing import Any

from bson import ObjectId

from chatsupport import events, feature, session_parts
from chatsupport.contract.base import refused
from chatsupport.database.clock import now
from chatsupport.documents import Session
from chatsupport.errors import BlockedError, ForbiddenError, NotFoundError, RateLimitedError
from chatsupport.events import Administered
from chatsupport.features.mail import addresses, jobs, letters, texts
from chatsupport.features.mail.documents import STORED
from chatsupport.features.mail.letters import Body, CancelledError
from chatsupport.identity import USER, Caller
from chatsupport.services.people import denials, tombstones
from chatsupport.services.shared import access

Document = dict[str, Any]

KIND = "transcript"
AUDITED_AS = "transcript_mailed"
MOST_A_SESSION, MOST_A_DAY = 5, 20
MOST_CHARACTERS = 1_000_000
LATER_SECONDS = 3600


def request(caller: Caller, session_id: ObjectId, email: str | None) -> Document:
    """Mail the transcript of a session. Returns the address.

    Users can name only their own address (`ForbiddenError`). Raises `InvalidInputError` with INVALID_EMAIL if there is
    no address, `RateLimitedError` after too many, `NotFoundError` without a mail server.
    """
    if not jobs.is_offered() or _writer() is None:
        raise NotFoundError("This server sends no mails (SMTP_URL is not set).")
    session = access.find_session(caller, session_id)
    by_staff = access.is_staff(caller, session)
    own = _context(session).get("visitor", {}).get("email")
    to = email or own
    if to is None:
        raise refused("email", "INVALID_EMAIL", "email is required: the session has no visitor.email.")
    if not by_staff and to != own:
        raise ForbiddenError("You can send the transcript only to your own address, visitor.email.")
    few = {"_id": session_id, f"{STORED}.transcripts": {"$not": {"$gte": MOST_A_SESSION}}}
    if not Session.collection().update_one(few, {"$inc": {f"{STORED}.transcripts": 1}}).modified_count:
        raise RateLimitedError("transcripts of this session", LATER_SECONDS)
    if by_staff:
        about = {"session_id": session_id, "to_visitor": to == own}
        events.happened(Administered(caller, AUDITED_AS, about))
    jobs.add(f"{KIND}-{uuid.uuid4().hex}", KIND, to, {"byStaff": by_staff}, session_id)
    return {"sessionId": str(session_id), "email": to}


@jobs.writer(KIND)
def write(job: Mapping[str, Any]) -> EmailMessage:
    """Return the mail. Raises `CancelledError` if the visitor is denied, or the address wants no mails of visitors."""
    session: Any = Session.collection().find_one({"_id": job["sessionId"]})
    if session is None or "erased" in session:
        raise CancelledError("erased")
    if not job["details"]["byStaff"]:
        try:
            denials.check_blocked(Caller(session["userId"], session.get("userType", USER)), "")
        except BlockedError:
            raise CancelledError("blocked") from None
        why = addresses.refusal(job["to"], job["_id"], counted_as=f"{KIND}:", most=MOST_A_DAY)
        if why is not None:
            raise CancelledError(why)
    writer = _writer()
    if writer is None:
        raise CancelledError("there are no transcripts")
    language = texts.language_of(_context(session).get("locale"))
    subject = texts.say(language, "transcript.subject", date=f"{session['createdAt']:%Y-%m-%d}")
    body = Body(_cut(writer(session["_id"], "text")), _cut(writer(session["_id"], "html")))
    letter = letters.compose(job["_id"], job["to"], subject, body)
    if tombstones.is_erased_meanwhile(session, now()):
        raise CancelledError("erased")
    return letter


def _writer() -> Any:
    return next((each.transcript for each in feature.installed() if each.transcript is not None), None)


def _context(session: Mapping[str, Any]) -> Document:
    context: Document = session_parts.shown_of(session, for_staff=True).get("context", {})
    return context


def _cut(parts: Iterable[str]) -> str:
    """Return as much of a transcript as a mail can take."""
    whole: list[str] = []
    size = 0
    for part in parts:
        size += len(part)
        if size > MOST_CHARACTERS:
            whole.append("…\n")
            break
        whole.append(part)
    return "".join(whole)
