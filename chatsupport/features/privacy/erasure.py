"""Erase a person from all stored data: texts become empty, the id becomes a random one, and counts stay.

An erasure does not wait for requests in progress. It first writes a tombstone, which invalidates the person's tokens.
Then it searches all data, and again later (`finish`): a start may have been in progress, and other processes write some
things a moment late, such as read marks and audit entries. A process that was stopped for long and writes even later
finds the tombstone (`services/people/tombstones.py`).
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pymongo
from bson import ObjectId
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from chatsupport import events, feature
from chatsupport.contract.chat import SessionEnd
from chatsupport.database.clock import now
from chatsupport.database.connection import is_unavailable
from chatsupport.documents import Agent, Denial, Message, Session
from chatsupport.documents.agent import WITH_SESSIONS
from chatsupport.documents.base import removed_by_erasure
from chatsupport.documents.session import OPEN
from chatsupport.events import PersonErased
from chatsupport.identity import AGENT, API_KEY_CALLER, USER, Caller
from chatsupport.personal_data import Erasure, PersonalData, ranges
from chatsupport.services.messages import read_marks, sequences
from chatsupport.services.people import denials, tombstones
from chatsupport.services.sessions import ending
from chatsupport.services.shared import access, outbox

logger = logging.getLogger(__name__)

Document = dict[str, Any]
Rows = Collection[Document]

ERASED_REASON = "User erased"
BATCH = 500
ELSEWHERE_SECONDS = 4.0
"""How long the caller waits while the sessions of others are searched for the person. The rest is done later."""
SWEEPS = (timedelta(seconds=3), timedelta(seconds=30), timedelta(seconds=denials.RECENT_SECONDS))
"""When to search again: for late writes of other processes, for requests that were in progress, and for the last time.
Until then, the revocation beside the tombstone keeps the id, so that every process closes the person's sockets."""


def erase(caller: Caller, person: Caller) -> dict[str, Any]:
    """Erase a person from all data stored so far.

    Open sessions end first, and the person's tokens become invalid. Safe to repeat. If a call is interrupted or has too
    little time, the rest is done within a minute. For operators only.
    """
    access.require_operator(caller)
    erased_at = denials.bury(caller, person, SWEEPS[0])
    erasure = Erasure(person, erased_at + tombstones.UNDER_WAY)
    work = _Work(erasure)
    work.erase_indexed(caller)
    is_complete = work.try_elsewhere()
    figures = {"sessions": work.sessions, "messages": work.messages}
    events.happened(PersonErased(caller, erasure.pseudonym, person.type, **figures))
    logger.info("A person was erased", extra={"event": "erased", "sessions": work.sessions, "count": work.messages})
    return {"pseudonym": erasure.pseudonym, **figures, "isComplete": is_complete}


def finish() -> None:
    """Search once more for people who were erased a while ago, and in the end forget their ids."""
    for denial in list(Denial.collection().find({"sweepAt": {"$lte": now()}})):
        erased_at = denial["erasedAt"]
        work = _Work(Erasure(Caller(denial["userId"], denial["userType"]), erased_at + tombstones.UNDER_WAY))
        work.erase_indexed(None)
        work.erase_elsewhere()
        later = [erased_at + after for after in SWEEPS if erased_at + after > now()]
        if later:
            this = {"_id": denial["_id"], "erasedAt": erased_at}
            Denial.collection().update_one(this, {"$set": {"sweepAt": later[0]}})
        else:
            denials.forget_buried(denial)


def _personal_data() -> list[PersonalData]:
    return [each.personal_data for each in feature.installed() if each.personal_data is not None]


class _Work:
    """One search for a person through the data of the core and of the features."""

    def __init__(self, erasure: Erasure) -> None:
        self.erasure, self.person = erasure, erasure.person
        self.sessions = self.messages = 0

    def erase_indexed(self, caller: Caller | None) -> None:
        """Erase what an index finds: the person's own sessions, and other data.

        `caller` asked for the erasure; it is None in a later search.
        """
        read_marks.flush()
        outbox.flush()  # The mark of an end names its caller.
        self._erase_own(caller)
        denials.unname(self.person)
        for guest in denials.guests_of(self.person):
            theirs = _Work(replace(self.erasure, person=guest))
            theirs._erase_own(caller)
            self.sessions += theirs.sessions
            self.messages += theirs.messages

    def _erase_own(self, caller: Caller | None) -> None:
        by = (caller or API_KEY_CALLER).id
        # Repeated until none is left: a request in progress may have started another.
        while session_ids := self._some_sessions():
            for session_id in session_ids:
                ending.end_now({"_id": session_id}, SessionEnd(reason=ERASED_REASON), by, caller)
            self.messages += self._empty_messages({"sessionId": {"$in": session_ids}})
            self._rename_in_sessions(session_ids)
            self.sessions += len(session_ids)
        for data in _personal_data():
            data.erase(self.erasure)
        if self.person.type == AGENT and ObjectId.is_valid(self.person.id):
            Agent.collection().update_one({"_id": ObjectId(self.person.id)}, {"$unset": {"signedInFrom": ""}})

    def try_elsewhere(self) -> bool:
        """Erase the rest as far as time allows. Returns False if some of it is left to `finish`."""
        try:
            with pymongo.timeout(ELSEWHERE_SECONDS):
                self.erase_elsewhere()
        except PyMongoError as error:
            if not is_unavailable(error):
                raise
            logger.info("The search for an erased person goes on later", extra={"reason": type(error).__name__})
            return False
        return True

    def erase_elsewhere(self) -> None:
        """Erase what no index finds, because nothing else asks for it: data in others' sessions, and own actions."""
        person = self.person
        spoken = {"senderId": person.id, "senderType": person.type, "timestamp": self.erasure.not_later}
        self.messages += self._empty_messages(spoken, everywhere=True)
        mark = {"userId": person.id, "userType": person.type}
        self._everywhere(
            Session.collection(),
            {"createdAt": self.erasure.not_later, "readSeq": {"$elemMatch": mark}},
            {"$set": {"readSeq.$[mark].userId": self.erasure.pseudonym}},
            array_filters=[{"mark.userId": person.id, "mark.userType": person.type}],
        )
        if person.is_guest:
            # The sessions of a guest identified a moment ago still have the guest's id
            # (`services/sessions/identification.py`).
            was = {"createdAt": self.erasure.not_later, "guestId": person.id}
            self._everywhere(Session.collection(), was, {"$unset": {"guestId": ""}})
        # `endedBy` has no type, but no user has the id of an agent.
        if person.type == AGENT:
            self._everywhere(
                Session.collection(),
                {"endedAt": self.erasure.not_later, "endedBy": person.id},
                {
                    "$set": {"endedBy": self.erasure.pseudonym, "endReason": ERASED_REASON},
                    "$unset": {"internalReason": ""},
                },
            )
        for data in _personal_data():
            data.erase_elsewhere(self.erasure)

    def _some_sessions(self) -> list[ObjectId]:
        # Messages of the Node.js system may have no type.
        types = [self.person.type, *([None] if self.person.type == USER else [])]
        own = {"userId": self.person.id, "userType": {"$in": types}, "createdAt": self.erasure.not_later}
        return [row["_id"] for row in Session.collection().find(own, {"_id": 1}, limit=BATCH)]

    def _empty_messages(self, which: Document, *, everywhere: bool = False) -> int:
        """Empty the texts and rename the sender. Messages erased before stay as they are."""
        not_yet = {**which, "fence": sequences.NO_FENCE}
        empty = {"$set": {"message": "", "erased": True}, "$unset": dict.fromkeys(removed_by_erasure(Message), "")}
        by_person = {**not_yet, "senderId": self.person.id, "senderType": self.person.type}
        rename = {"$set": {"senderId": self.erasure.pseudonym}}
        messages = Message.collection()
        not_erased = {**not_yet, "erased": {"$ne": True}}
        if not everywhere:
            emptied = _update(messages, not_erased, empty)
            _update(messages, by_person, rename)
            return emptied
        emptied = 0
        for bounds in ranges(messages):
            session_ids = _sessions_with({**bounds, **not_erased})
            _forget_texts_in(session_ids)
            emptied += _update(messages, {**bounds, **not_erased}, empty)
            _forget_texts_in(session_ids)
            _update(messages, {**bounds, **by_person}, rename)
        return emptied

    def _rename_in_sessions(self, session_ids: list[ObjectId]) -> None:
        collection, person = Session.collection(), self.person
        these = {"_id": {"$in": session_ids}}
        # Free text about the person's chats may name the person.
        removed = dict.fromkeys(removed_by_erasure(Session), "")
        collection.update_many(these, {"$set": {"endReason": ERASED_REASON}, "$unset": removed})
        # What a bot left behind, in marks that a killed process has not told.
        told = {"$unset": {"untold.$[].handover": ""}}
        collection.update_many({**these, "untold.handover": {"$exists": True}}, told)
        collection.update_many({**these, "endedBy": person.id}, {"$set": {"endedBy": self.erasure.pseudonym}})
        collection.update_many(
            {**these, "readSeq.userId": person.id},
            {"$set": {"readSeq.$[mark].userId": self.erasure.pseudonym}},
            array_filters=[{"mark.userId": person.id, "mark.userType": person.type}],
        )
        Agent.collection().update_many(
            {**WITH_SESSIONS, "activeUsers": person.id, "activeSessions": {"$in": session_ids}},
            {"$set": {"activeUsers.$[user]": self.erasure.pseudonym}},
            array_filters=[{"user": person.id}],
        )
        for data in _personal_data():
            data.erase_in_sessions(self.erasure, session_ids)
        # This comes last: the next call finds by it what an interrupted one left. No session is open, so none is met
        # twice.
        ended = {**these, "status": {"$nin": list(OPEN)}}
        collection.update_many(ended, {"$set": {"userId": self.erasure.pseudonym, "erased": True}})

    def _everywhere(self, collection: Rows, which: Document, update: Document, **options: Any) -> int:
        return sum(_update(collection, {**bounds, **which}, update, **options) for bounds in ranges(collection))


def _update(collection: Rows, which: Document, update: Document, **options: Any) -> int:
    return int(collection.update_many(which, update, **options).modified_count)


def _sessions_with(messages: Document) -> list[ObjectId]:
    return list(Message.collection().distinct("sessionId", messages))


def _forget_texts_in(session_ids: list[ObjectId]) -> None:
    if session_ids:
        for data in _personal_data():
            data.erase_texts_in(session_ids)
