"""Users rate their sessions, from the first message of an agent until a day after the end.

The rating is stored in the session (`features.ratings`). Its score is also stored for the reports, which outlive the
session. The score is written first: after a kill between the two writes, a repeat of the unacknowledged call completes
it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId

from chatsupport import broadcasts, events, recording, serializers
from chatsupport.contract.chat import Session as ShownSession
from chatsupport.database.clock import now
from chatsupport.documents import Message, Session
from chatsupport.errors import ForbiddenError
from chatsupport.events import SessionRated
from chatsupport.features.ratings.documents import Score
from chatsupport.features.ratings.models import NewRating, RatingClosedError, ShownRating
from chatsupport.identity import AGENT, Caller
from chatsupport.personal_data import Erasure, PersonalData
from chatsupport.services.shared import access, rate_limits
from chatsupport.session_parts import SessionPart

Document = dict[str, Any]

NAME = "ratings"
STORED = f"features.{NAME}"
OPEN_FOR = timedelta(hours=24)


def rate(caller: Caller, session_id: ObjectId, new: NewRating) -> tuple[Document, bool]:
    """Store the rating by the session's user, in place of an earlier one. The second value says whether it is new.

    Raises `ForbiddenError` for everybody else, and `RatingClosedError` before an agent has written or too late.
    """
    session = find_session(caller, session_id)
    rate_limits.check_caller(rate_limits.UPDATES, caller)
    time = now()
    ended_at = session.get("endedAt")
    if (ended_at is not None and time > ended_at + OPEN_FOR) or not _was_answered(session):
        raise RatingClosedError
    rating = {"score": new.score, "comment": new.comment, "at": time}
    score = {"agentId": session.get("agentId"), "score": new.score, "at": time}
    Score.collection().update_one({"_id": session_id}, {"$set": score}, upsert=True)
    # An erasure that came in between has taken the session from its user.
    its_users = {"_id": session_id, "userId": session["userId"]}
    marks = recording.marks(recording.SESSION_RATED)
    change = {"$set": {STORED: rating}, **recording.pushed(marks)}
    if not Session.collection().update_one(its_users, change).matched_count:
        raise access.refusal()
    recording.look_after(Session.collection(), session_id, recording.SESSION_RATED, marks)
    is_new = _of(session) is None
    session["features"] = {**session.get("features", {}), NAME: rating}
    events.happened(SessionRated(session))
    return described(session), is_new


def find_session(caller: Caller, session_id: ObjectId) -> Document:
    """Return the session for its user. Raises `ForbiddenError` for everybody else."""
    session = access.find_session(caller, session_id)
    if access.is_staff(caller, session):
        raise ForbiddenError("Only the session's user can rate it.")
    return session


def _was_answered(session: Mapping[str, Any]) -> bool:
    """Tell whether an agent has written, other than the session's own user."""
    if session.get("firstResponseMs") is not None:
        return True
    by_agent = {"sessionId": session["_id"], "senderType": AGENT, "senderId": {"$ne": session["userId"]}}
    return Message.collection().find_one(by_agent, {"_id": 1}) is not None


def tell_staff(event: SessionRated) -> None:
    """Tell staff in the room, and the agent, how the session was rated."""
    session = event.session
    rooms = [broadcasts.staff_room(session["_id"])]
    if session.get("agentId") is not None:
        rooms.append(broadcasts.person_room(session["agentId"], AGENT))
    broadcasts.emit("session_rated", described(session), to=rooms)


def described(session: Mapping[str, Any]) -> Document:
    """Serialize the rating of a session that has one."""
    return {"sessionId": str(session["_id"]), "rating": _serialized(_of(session))}


def show(session: Mapping[str, Any], for_staff: bool) -> Document:
    """Return the rating for staff. Users are told what they have said by the call alone."""
    return {"rating": _serialized(_of(session))} if for_staff else {}


def _of(session: Mapping[str, Any]) -> Document | None:
    rating: Document | None = session.get("features", {}).get(NAME)
    return rating


def _serialized(rating: Mapping[str, Any] | None) -> Document | None:
    if rating is None:
        return None
    return {"score": rating["score"], "comment": rating.get("comment"), "at": serializers.iso(rating["at"])}


def report(start: datetime, end: datetime) -> Callable[[ObjectId | None], Document]:
    """Return a function that returns how an agent's sessions were rated in a time; with None, how all were."""
    rows = Score.collection().aggregate(
        [
            {"$match": {"at": {"$gte": start, "$lt": end}}},
            {"$group": {"_id": "$agentId", "count": {"$sum": 1}, "sum": {"$sum": "$score"}}},
        ]
    )
    sums = {row["_id"]: (row["count"], row["sum"]) for row in rows}

    def of_agent(agent_id: ObjectId | None) -> Document:
        chosen = sums.values() if agent_id is None else [sums.get(agent_id, (0, 0))]
        count, total = (sum(part) for part in zip((0, 0), *chosen, strict=True))
        return {"rating": {"count": count, "mean": round(total / count, 2) if count else None}}

    return of_agent


def export(person: Caller) -> Document:
    """Return the person's ratings of its sessions."""
    mine = {"userId": person.id, "userType": person.type, STORED: {"$exists": True}}
    rated = Session.collection().find(mine, {STORED: 1})
    return {"ratings": [described(session) for session in rated]}


def erase_in_sessions(_: Erasure, session_ids: Sequence[ObjectId]) -> None:
    """Delete the comments on these sessions. The scores stay, because they name nobody."""
    Session.collection().update_many({"_id": {"$in": list(session_ids)}}, {"$unset": {f"{STORED}.comment": ""}})


PERSONAL_DATA = PersonalData(export=export, erase_in_sessions=erase_in_sessions)
SESSION_PART = SessionPart(fields={ShownSession: ShownRating}, show=show)
