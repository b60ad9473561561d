"""A guest becomes known: its sessions become a user's.

The guest's tokens are refused first, once and for all in favour of one user. Then one update renames each of its
sessions, and notes the guest there. By this note, a repeated call finds what is left to do: senders, read marks, the
agent's slot. A little later, `finish` repeats everything by itself: a start or a message that was on its way may have
been stored afterwards, or a process may have been killed in between.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError, PyMongoError

from chatsupport import events, recording
from chatsupport.contract.chat import SessionEnd
from chatsupport.database.clock import now
from chatsupport.database.connection import is_unavailable
from chatsupport.documents import Denial, Message, Session
from chatsupport.errors import AuthenticationError, DatabaseUnavailableError, ForbiddenError
from chatsupport.events import SessionUpdated
from chatsupport.identity import USER, Caller
from chatsupport.services.assignment import slots
from chatsupport.services.messages import message_log, read_marks, sequences
from chatsupport.services.people import denials, guests
from chatsupport.services.sessions import ending, reading
from chatsupport.services.shared import outbox, rate_limits

logger = logging.getLogger(__name__)

Document = dict[str, Any]

MERGED = "merged"
"""The reason of the end of a guest's session if the user already has an open one."""
FINISH_AFTER, FINISH_SECONDS = timedelta(seconds=30), 15.0
"""After this, no write can be in progress that began before the guest's tokens were refused."""

_ATTEMPTS = 5


def require_known_user(caller: Caller) -> None:
    """Raise `ForbiddenError` unless the caller is a user and not a guest."""
    if caller.type != USER or caller.is_guest:
        raise ForbiddenError("Only a user who is not a guest can take over a guest's sessions.")


def identify(caller: Caller, guest_token: str, address: str) -> Document:
    """Carry a guest's sessions over to the caller. Returns the caller's open session, and the number of carried ones.

    A repeated call by the same user finishes what was left undone; for another user nothing is carried. Raises
    `ForbiddenError` unless the caller is a user and not a guest, `InvalidInputError` with INVALID_GUEST_TOKEN, and
    `BlockedError` if the guest is blocked.
    """
    require_known_user(caller)
    rate_limits.check_caller(rate_limits.START_SESSION, caller)
    guest = guests.of_token(guest_token)
    try:
        known_as = denials.identified_as(guest, address)
    except AuthenticationError:
        raise guests.not_a_guest() from None
    if known_as is None:
        known_as = denials.identify(guest, caller)
    else:
        denials.settle_identified(guest)  # Another call may have stored it a moment ago, and wait itself.
    carried = _carry(guest, caller) if known_as == caller.id else 0
    open_session = reading.find_open(caller.id, USER)
    return {"sessionId": None if open_session is None else str(open_session["_id"]), "sessions": carried}


def finish() -> None:
    """Look again at the guests that recently became users, and carry over late writes."""
    due = {"isCarried": False, "createdAt": {"$lte": now() - FINISH_AFTER}}
    for denial in list(Denial.collection().find(due)):
        try:
            _finish(denial)
        except Exception as error:
            if isinstance(error, PyMongoError) and is_unavailable(error):
                raise  # Our own error may concern this guest only.
            logger.exception("A guest's data could not be carried over yet", extra={"user_id": denial["userId"]})


def _finish(denial: Document) -> None:
    guest, user = Caller(denial["userId"], denial["userType"]), Caller(denial["identifiedAs"], USER)
    carried = _carry(guest, user, is_repeat=True)
    # From here on, no session names the guest, so their number is stored with the guest's denial.
    Denial.collection().update_one({"_id": denial["_id"]}, {"$max": {"carried": carried}})
    Session.collection().update_many(_carried(guest, user), {"$unset": {"guestId": ""}})
    Denial.collection().update_one({"_id": denial["_id"]}, {"$set": {"isCarried": True}})


def _carry(guest: Caller, user: Caller, *, is_repeat: bool = False) -> int:
    """Give everything of the guest to the user. Returns how many sessions the guest had, in all calls."""
    read_marks.flush()
    collection = Session.collection()
    renamed: set[ObjectId] = set()
    while (session := collection.find_one({"userId": guest.id, "userType": USER}, {"_id": 1})) is not None:
        _rename_session(session["_id"], guest, user)
        renamed.add(session["_id"])
    carried = list(collection.find(_carried(guest, user)))
    for session in carried:
        changed = _rename_within(session["_id"], guest, user)
        outbox.tell_untold(session)  # A kill may have interrupted its end.
        if changed or session["_id"] in renamed or not is_repeat:
            events.happened(SessionUpdated(session))
    stored = Denial.collection().find_one({"userId": guest.id, "identifiedAs": user.id}, {"carried": 1}) or {}
    return max(len(carried), int(stored.get("carried", 0)))


def _carried(guest: Caller, user: Caller) -> Document:
    return {"userId": user.id, "userType": USER, "guestId": guest.id}


def _rename_session(session_id: ObjectId, guest: Caller, user: Caller) -> None:
    """Give a session to the user. It ends if the user has an open one; the unique index decides that."""
    message_log.log.expect_end(session_id)
    is_guests = {"_id": session_id, "userId": guest.id}
    for _ in range(_ATTEMPTS):
        marks = recording.marks(recording.SESSION_UPDATED)
        try:
            renamed = Session.collection().update_one(
                is_guests,
                [
                    {
                        "$set": {
                            "userId": {"$literal": user.id},
                            "guestId": {"$literal": guest.id},
                            "endedBy": _renamed("$endedBy", guest, user),
                            "readSeq": _renamed_marks(guest, user),
                            "updatedAt": "$$NOW",
                            **recording.added(marks),
                        }
                    }
                ],
            )
        except DuplicateKeyError:
            ending.end_now(is_guests, SessionEnd(reason=MERGED), user.id, user)
        else:
            if renamed.modified_count:
                recording.look_after(Session.collection(), session_id, recording.SESSION_UPDATED, marks)
            message_log.log.wait_for_writes(session_id)
            return
    raise DatabaseUnavailableError


def _rename_within(session_id: ObjectId, guest: Caller, user: Caller) -> bool:
    """Rename the guest within a session of the user. False if nothing was left to rename."""
    messages = _rename_sender(session_id, guest, user)
    marks = Session.collection().update_one(
        {"_id": session_id, "readSeq": {"$elemMatch": {"userId": guest.id, "userType": USER}}},
        [{"$set": {"readSeq": _renamed_marks(guest, user)}}],
    )
    slot = slots.rename_user(session_id, guest.id, user.id)
    return bool(messages or marks.modified_count or slot)


def _rename_sender(session_id: ObjectId, guest: Caller, user: Caller) -> int:
    collection = Message.collection()
    sent = {"sessionId": session_id, "senderId": guest.id, "senderType": USER, "fence": sequences.NO_FENCE}
    new_sender = {"senderId": user.id}
    try:
        return int(collection.update_many(sent, {"$set": new_sender}).modified_count)
    except DuplicateKeyError:
        pass  # Then one by one.
    # The guest sent a message and the user sent it again, and both are stored. Both stay, one without a client's id.
    renamed = 0
    for message in list(collection.find(sent, {"_id": 1})):
        try:
            collection.update_one({"_id": message["_id"]}, {"$set": new_sender})
        except DuplicateKeyError:
            collection.update_one({"_id": message["_id"]}, {"$set": new_sender, "$unset": {"clientMessageId": ""}})
        renamed += 1
    return renamed


def _renamed(value: str, guest: Caller, user: Caller) -> Document:
    """Return the expression that replaces the guest's id with the user's, and leaves a missing id out."""
    is_guest = {"$eq": [value, {"$literal": guest.id}]}
    return {"$cond": [is_guest, {"$literal": user.id}, {"$ifNull": [value, "$$REMOVE"]}]}


def _renamed_marks(guest: Caller, user: Caller) -> Document:
    """Return the expression for the read marks, in which the marks of guest and user become one of the user."""
    marks = {"$ifNull": ["$readSeq", []]}
    ids = [{"$literal": guest.id}, {"$literal": user.id}]
    is_theirs = {"$and": [{"$in": ["$$mark.userId", ids]}, {"$eq": ["$$mark.userType", USER]}]}
    theirs = {"$filter": {"input": marks, "as": "mark", "cond": is_theirs}}
    others = {"$filter": {"input": marks, "as": "mark", "cond": {"$not": [is_theirs]}}}
    furthest = {"$max": {"$map": {"input": theirs, "as": "mark", "in": "$$mark.seq"}}}
    mine = [{"userId": {"$literal": user.id}, "userType": USER, "seq": furthest}]
    return {"$concatArrays": [others, {"$cond": [{"$eq": [theirs, []]}, [], mine]}]}
