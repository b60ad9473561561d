"""Mails about unread messages: one for a burst of an agent's messages, to a visitor who is not there.

Nothing is written on a message's way in. A process notes in memory which sessions got a message of an agent, and once
a second stores that with the sessions whose visitor has an address: `noted` and `dueAt`. What a killed process had not
stored is found by `look_at_all`. When a mail is due, each process postpones it while the visitor has a socket there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bson import ObjectId
from pymongo import UpdateOne

from chatsupport import session_parts
from chatsupport.background import Buffered
from chatsupport.database.clock import now, now_ms
from chatsupport.documents import Agent, Session
from chatsupport.errors import BlockedError
from chatsupport.events import MessageStored, SessionUpdated
from chatsupport.extensions import settings, socketio
from chatsupport.features.mail import addresses, jobs, letters, links, texts
from chatsupport.features.mail.documents import EMAIL, NAME, STORED
from chatsupport.features.mail.letters import CancelledError, Link, Paragraph, Part, Said
from chatsupport.features.mail.parsers import MAIL_AFTER
from chatsupport.identity import AGENT, USER, Caller
from chatsupport.services.messages import sequences
from chatsupport.services.people import denials, tombstones
from chatsupport.sockets import connections

Document = dict[str, Any]

KIND = "unread"
NOTE_SECONDS, LOOK_SECONDS, LOOK_AT_ALL_SECONDS = 1.0, 1.0, 10.0
MARGIN = timedelta(seconds=2.5)
"""Longer than any process takes to store a read mark, and to see that the visitor has a socket there."""
BATCH = 200
MOST_MESSAGES = 20
"""How many messages a mail has."""
LOOKED_BACK = 200
"""How many messages are read to find those that are unread."""
ENDED_SINCE = timedelta(hours=1)
MOST_LOOKED_AT = 50_000

_looked_at: dict[ObjectId, int] = {}
"""The last seq of sessions at which `_look_at` has looked."""


def message_stored(event: MessageStored) -> None:
    """Note that an agent has written."""
    if event.message["senderType"] == AGENT and jobs.is_offered():
        _noted.add(event.message["sessionId"], event.message["seq"])


def session_updated(event: SessionUpdated) -> None:
    """Look at a session whose visitor may have given an address."""
    if "visitor" in event.changed and jobs.is_offered():
        _suspected.add(event.session["_id"], None)


def _note(seqs: Mapping[ObjectId, int]) -> None:
    """Store up to which message of an agent the visitor may get a mail."""
    due = now() + timedelta(seconds=settings.config.value(MAIL_AFTER))
    values = {
        session_id: {
            f"{STORED}.noted": {"$max": [f"${STORED}.noted", seq]},
            f"{STORED}.dueAt": {"$ifNull": [f"${STORED}.dueAt", due]},
        }
        for session_id, seq in seqs.items()
    }
    updates = [
        UpdateOne({"_id": session_id, EMAIL: {"$exists": True}}, [{"$set": value}])
        for session_id, value in values.items()
    ]
    Session.collection().bulk_write(updates, ordered=False)


def _look_at(session_ids: Iterable[ObjectId]) -> None:
    """Note those of these sessions that have an agent's message which no process has noted."""
    last_seqs = sequences.last_seqs(session_ids)
    changed = [session_id for session_id, seq in last_seqs.items() if _looked_at.get(session_id) != seq]
    which = {"_id": {"$in": changed}, EMAIL: {"$exists": True}, f"{STORED}.dueAt": {"$exists": False}}
    missed = {}
    for session in Session.collection().find(which, {"readSeq": 1, STORED: 1}) if changed else ():
        unread = _unread(session)
        if unread and unread[-1]["seq"] > _kept(session).get("noted", 0):
            missed[session["_id"]] = unread[-1]["seq"]
    if missed:
        _note(missed)
    _looked_at.update((session_id, last_seqs[session_id]) for session_id in changed)


def look_at_all() -> None:
    """Find what a killed process has not noted, in the open sessions and in those that ended a while ago."""
    if not jobs.is_offered():
        return
    if len(_looked_at) > MOST_LOOKED_AT:
        _looked_at.clear()
    sessions, order = Session.collection(), [("endedAt", 1), ("_id", 1)]
    open_ones: Document = {EMAIL: {"$exists": True}, "endedAt": None}
    while ids := [row["_id"] for row in sessions.find(open_ones, {"_id": 1}, sort=order, limit=BATCH)]:
        _look_at(ids)
        open_ones["_id"] = {"$gt": ids[-1]}
        socketio.sleep(0)
    ended = {EMAIL: {"$exists": True}, "endedAt": {"$gte": now() - ENDED_SINCE}}
    ids = [row["_id"] for row in sessions.find(ended, {"_id": 1}, sort=order)]
    for start in range(0, len(ids), BATCH):
        _look_at(ids[start : start + BATCH])


def look() -> None:
    """Postpone the mails to visitors who have a socket here. Make the jobs of those that are due."""
    if not jobs.is_offered():
        return
    time = now()
    due = {f"{STORED}.dueAt": {"$lte": time}}
    members = {"userId": 1, "userType": 1, "readSeq": 1, STORED: 1, EMAIL: 1, "erased": 1}
    for session in list(Session.collection().find(due, members, sort=[(f"{STORED}.dueAt", 1)], limit=BATCH)):
        if _is_read(session):
            _make_job(session)
        elif connections.of(_visitor(session)):
            later = time + timedelta(seconds=settings.config.value(MAIL_AFTER))
            Session.collection().update_one(_as_read(session), {"$set": {f"{STORED}.dueAt": later}})
        elif _kept(session)["dueAt"] <= time - MARGIN:
            _make_job(session)


def _make_job(session: Document) -> None:
    """Make the job of one mail for all that is unread, and note it. After a kill in between, the same job is found."""
    kept = _kept(session)
    email = session.get("features", {}).get("context", {}).get("visitor", {}).get("email")
    # What came after the noted messages has its own time, which may not be stored yet.
    unread = [] if _is_read(session) else _unread(session)
    through = kept.get("noted", 0)
    if unread and email and session.get("userType", USER) == USER and "erased" not in session:
        details = {"fromSeq": unread[0]["seq"], "toSeq": unread[-1]["seq"]}
        job_id = f"{KIND}-{session['_id']}-{kept.get('through', 0)}"
        job = jobs.add(job_id, KIND, email, details, session["_id"])
        through = job["details"]["toSeq"]
    later = now() + timedelta(seconds=settings.config.value(MAIL_AFTER))
    Session.collection().update_one(
        _as_read(session),
        [
            {
                "$set": {
                    f"{STORED}.through": through,
                    f"{STORED}.dueAt": {"$cond": [{"$gt": [f"${STORED}.noted", through]}, later, "$$REMOVE"]},
                }
            }
        ],
    )


def _is_read(session: Mapping[str, Any]) -> bool:
    return _read_up_to(session) >= int(_kept(session).get("noted", 0))


def _read_up_to(session: Mapping[str, Any]) -> int:
    return max([0, *(int(mark["seq"]) for mark in session.get("readSeq", ()) if mark["userType"] == USER)])


def _as_read(session: Document) -> Document:
    return {"_id": session["_id"], f"{STORED}.dueAt": _kept(session)["dueAt"]}


def _kept(session: Mapping[str, Any]) -> Document:
    kept: Document = session.get("features", {}).get(NAME, {})
    return kept


def _visitor(session: Mapping[str, Any]) -> Caller:
    return Caller(session["userId"], session.get("userType", USER))


def _unread(session: Mapping[str, Any], up_to: int | None = None) -> list[Document]:
    """Return an agent's messages since the visitor last read or wrote, oldest first: those since the last mail, or all
    up to a seq.
    """
    after = max(_read_up_to(session), _kept(session).get("through", 0) if up_to is None else 0)
    seq = {"$gt": after, **({} if up_to is None else {"$lte": up_to})}
    found = sequences.committed().find(
        {"sessionId": session["_id"], "fence": sequences.NO_FENCE, "seq": seq}, sort=[("seq", -1)], limit=LOOKED_BACK
    )
    unread: list[Document] = []
    for message in found:
        if message["senderType"] == USER:
            break
        if message["senderType"] == AGENT and "erased" not in message:
            unread.append(message)
    return unread[::-1]


@jobs.writer(KIND)
def write(job: Mapping[str, Any]) -> EmailMessage:
    """Return the mail. Raises `CancelledError` if the visitor has read everything, is denied, or wants no mails."""
    at_ms = now_ms()  # Before anything is looked up, so that whatever is denied meanwhile ends the token of the link.
    session: Any = Session.collection().find_one({"_id": job["sessionId"]})
    if session is None or "erased" in session:
        raise CancelledError("erased")
    unread = _unread(session, job["details"]["toSeq"])
    if not unread:
        raise CancelledError("read")
    try:
        denials.check_blocked(_visitor(session), "")
    except BlockedError:
        raise CancelledError("blocked") from None
    if (why := addresses.refusal(job["to"], job["_id"])) is not None:
        raise CancelledError(why)
    letter = _letter(job, session, unread, at_ms)
    if tombstones.is_erased_meanwhile(session, now()):
        raise CancelledError("erased")
    return letter


def _letter(job: Mapping[str, Any], session: Document, unread: list[Document], at_ms: int) -> EmailMessage:
    context = session_parts.shown_of(session, for_staff=True).get("context", {})
    language = texts.language_of(context.get("locale"))
    link = links.to_chat(session, context, at_ms)
    stop = f"{links.own(links.UNSUBSCRIBE)}#{(token := addresses.unsubscribe_token(job['to']))}"
    names = _names(unread, texts.say(language, "agent"))
    parts: list[Part] = [
        Paragraph(texts.say(language, "unread.intro", site=link.site)),
        *([Paragraph(texts.say(language, "unread.more"))] if len(unread) > MOST_MESSAGES else []),
        *_said(unread[-MOST_MESSAGES:], names, _zone(context.get("timezone"))),
        Link(texts.say(language, "unread.link"), link.url),
        *([Paragraph(texts.say(language, "unread.token"), is_small=True)] if link.has_token else []),
        Paragraph(texts.say(language, "unread.why"), is_small=True),
        Link(texts.say(language, "unread.stop"), stop, is_small=True),
    ]
    subject = texts.say(language, "unread.subject", name=names[unread[-1]["senderId"]])
    headers = {
        "List-Unsubscribe": f"<{links.own('api/mail/unsubscribe/one-click')}?token={token}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    return letters.compose(job["_id"], job["to"], subject, letters.body(language, subject, parts), headers)


def _said(messages: Iterable[Document], names: Mapping[str, str], zone: ZoneInfo) -> Iterator[Said]:
    for message in messages:
        time: datetime = message["timestamp"].astimezone(zone)
        yield Said(names[message["senderId"]], f"{time:%Y-%m-%d %H:%M}", message["message"])


def _names(messages: Iterable[Document], otherwise: str) -> dict[str, str]:
    ids = {message["senderId"] for message in messages}
    these = {"_id": {"$in": [ObjectId(one) for one in ids if ObjectId.is_valid(one)]}}
    known = {str(row["_id"]): letters.line(row["name"]) for row in Agent.collection().find(these, {"name": 1})}
    return {one: known.get(one) or otherwise for one in ids}


def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):  # From an earlier version of the time zones.
        return ZoneInfo("UTC")


_noted: Buffered[ObjectId, int] = Buffered(_note, NOTE_SECONDS, merge=max, at_once=True)
_suspected: Buffered[ObjectId, None] = Buffered(_look_at, NOTE_SECONDS, at_once=True, on_leaving=False)
