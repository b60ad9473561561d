"""Finding sessions by their words.

The index is asked for one of the words, newest session first: for the one that was used least lately. If the agent or
the status that is wanted is rarer than the words, it is asked for that. The entries that the index gives are compared
with all that is wanted, until the page is full. One call compares a bounded number of entries: then the page ends
early, and its cursor goes on from there. So a search costs the same however many sessions there are. The results are
shown from the sessions and messages themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId

from chatsupport import events, serializers
from chatsupport.documents import Message, Session
from chatsupport.documents.session import OPEN
from chatsupport.errors import ForbiddenError
from chatsupport.events import HistoryRead
from chatsupport.extensions import socketio
from chatsupport.features.search import words
from chatsupport.features.search.documents import SearchEntry
from chatsupport.features.search.models import MAX_MATCHES, SearchQuery
from chatsupport.identity import SYSTEM, Caller
from chatsupport.services.messages import sequences
from chatsupport.services.server import index_builds
from chatsupport.services.sessions import lists
from chatsupport.services.shared import access, pages, rate_limits

Document = dict[str, Any]

PORTIONS = (200, 800)
"""How many entries one call compares with the query: a few, then more if the page is not full."""
MOST_LEADS = 8
"""How many words of a query are looked up to find the rarest."""
MOST_MESSAGES = 1_000
"""How many messages of a session, the last ones, are searched for those to show. No more are read at once."""
SNIPPET, BEFORE = 160, 40
"""The characters of a snippet, and how many of them are before the word."""

BY_STATUS = "search.newest_open_by_status"
"""The index of the open sessions. A database of an earlier release does not have it until a server has built it."""
_NEWEST_FIRST = [("createdAt", -1), ("_id", -1)]
_PLACE = {"createdAt": 1}
"""What is read of an entry: its place in the list, which is its time and its id."""


def search(caller: Caller, wanted: SearchQuery) -> Document:
    """Return one page of the sessions with all words of the query, newest first, with the messages that have them.

    Agents find their own sessions, operators and supervisors all.
    """
    access.require_agent(caller)
    agent_id = wanted.agent_id
    if caller.type != SYSTEM and not access.is_supervisor(caller):
        if agent_id is not None and str(agent_id) != caller.id:
            raise ForbiddenError("An agent can search only its own sessions.")
        agent_id = ObjectId(caller.id)
    rate_limits.check_caller(rate_limits.SEARCHES, caller)
    looked_for = words.wanted(wanted.q)
    if not looked_for:
        return serializers.page("results", [], None)
    ids, cursor = _find(looked_for, agent_id, wanted)
    found = {row["_id"]: row for row in Session.collection().find({"_id": {"$in": ids}})}
    # An entry may be a moment behind: what the session itself says counts.
    sessions = [found[each] for each in ids if each in found and _is_wanted(found[each], agent_id, wanted)]
    described = lists.serialize(sessions)
    pairs = list(zip(sessions, described, strict=True))
    matches = _matches({session["_id"]: shown["lastSeq"] for session, shown in pairs}, looked_for)
    for session in sessions:
        if session["_id"] in matches:
            events.happened(HistoryRead(caller, session))
    results = [{"session": shown, "matches": matches.get(session["_id"], [])} for session, shown in pairs]
    return serializers.page("results", results, cursor)


def _find(
    looked_for: Sequence[str], agent_id: ObjectId | None, wanted: SearchQuery
) -> tuple[list[ObjectId], str | None]:
    """Return the ids of the next sessions with these words, and the cursor of those behind."""
    condition: Document = {"words": {"$all": list(looked_for)}}
    # Long words tend to be rare.
    leads: list[Document] = [{"words": word} for word in sorted(looked_for, key=len, reverse=True)[:MOST_LEADS]]
    if agent_id is not None:
        condition["agentId"] = agent_id
        leads.append({"agentId": agent_id})
    if wanted.status is not None:
        condition["status"] = wanted.status
        if wanted.status in OPEN and not index_builds.is_missing(BY_STATUS):
            leads.append({"status": wanted.status})
    period: Document = {}
    if wanted.start is not None:
        period["$gte"] = wanted.start
    if wanted.end is not None:
        period["$lt"] = wanted.end
    lead = _sparsest(leads, period, wanted.cursor)
    found: list[pages.Cursor] = []
    last = wanted.cursor
    for portion in PORTIONS:
        more, last = _compare(_behind(lead, period, last), portion, condition, wanted.limit + 1 - len(found))
        found += more
        if len(found) > wanted.limit:
            found.pop()
            last = found[-1]
            break
        if last is None:
            break
    return [session_id for _, session_id in found], None if last is None else pages.cursor_of(*last)


def _sparsest(leads: Sequence[Document], period: Document, position: pages.Cursor | None) -> Document:
    """Return the condition whose next entries, the first portion, go back furthest; or one that has fewer."""
    if len(leads) == 1:
        return leads[0]
    choices: list[tuple[pages.Cursor, Document]] = []
    for lead in leads:
        behind = _behind(lead, period, position)
        last = SearchEntry.collection().find_one(behind, _PLACE, sort=_NEWEST_FIRST, skip=PORTIONS[0] - 1)
        if last is None:
            return lead
        choices.append((_place_of(last), lead))
    return min(choices, key=lambda choice: choice[0])[1]


def _compare(
    behind: Document, portion: int, condition: Document, most: int
) -> tuple[list[pages.Cursor], pages.Cursor | None]:
    """Return the places of those of the next entries that meet a condition, and of the last that was compared: None
    if there are none behind it.
    """
    # One command, because entries may come and go between two of them.
    stages: list[Document] = [
        {"$match": behind},
        {"$sort": dict(_NEWEST_FIRST)},
        {"$limit": portion},
        {
            "$facet": {
                "found": [{"$match": condition}, {"$limit": most}, {"$project": _PLACE}],
                "compared": [
                    {"$project": _PLACE},
                    {"$group": {"_id": None, "count": {"$sum": 1}, "last": {"$last": "$$ROOT"}}},
                ],
            }
        },
    ]
    (row,) = SearchEntry.collection().aggregate(stages)
    is_all = sum(each["count"] for each in row["compared"]) < portion
    return [_place_of(each) for each in row["found"]], None if is_all else _place_of(row["compared"][0]["last"])


def _place_of(entry: Document) -> pages.Cursor:
    return entry["createdAt"], entry["_id"]


def _behind(lead: Document, period: Document, position: pages.Cursor | None) -> Document:
    """Return the condition on the entries of a period that come after a position, which may be None."""
    if position is None:
        return {**lead, "createdAt": period} if period else lead
    time, session_id = position
    # Two ranges of the index. With a condition on the times and another one on the ids, MongoDB would read the entries.
    return {
        "$or": [
            {**lead, "createdAt": {**period, "$lt": min(time, period.get("$lt", time))}},
            {**lead, "createdAt": {**period, "$eq": time}, "_id": {"$lt": session_id}},
        ]
    }


def _is_wanted(session: Document, agent_id: ObjectId | None, wanted: SearchQuery) -> bool:
    return (agent_id is None or session.get("agentId") == agent_id) and wanted.status in (None, session["status"])


def _matches(last_seqs: Mapping[ObjectId, int], looked_for: Sequence[str]) -> dict[ObjectId, list[Document]]:
    """Return the messages that have the most of the words, in their order, of each session that has such messages."""
    found: dict[ObjectId, list[Document]] = {}
    for session_ids in _batches(last_seqs):
        longest = max(last_seqs[each] for each in session_ids)
        these = {
            "sessionId": {"$in": session_ids},
            "seq": {"$gt": longest - MOST_MESSAGES},
            "fence": sequences.NO_FENCE,
        }
        # One document for each session: one for each message costs this process more than looking for the words.
        fields = {name: {"$push": f"${name}"} for name in ("seq", "senderType", "message", "timestamp")}
        rows = list(Message.collection().aggregate([{"$match": these}, {"$group": {"_id": "$sessionId", **fields}}]))
        searched = 0
        for row in rows:
            scored = []
            for each in zip(row["seq"], row["senderType"], row["message"], row["timestamp"], strict=True):
                if score := words.count(each[2], looked_for):
                    scored.append((score, *each))
                searched += len(each[2])
                if searched >= words.CHARACTERS_AT_ONCE:
                    socketio.sleep(0)
                    searched = 0
            best = sorted(scored, reverse=True)[:MAX_MATCHES]
            if best:
                found[row["_id"]] = [
                    _match(seq, sender_type, text, at, looked_for)
                    for _, seq, sender_type, text, at in sorted(best, key=lambda one: one[1])
                ]
    return found


def _batches(last_seqs: Mapping[ObjectId, int]) -> Iterator[list[ObjectId]]:
    """Divide the sessions that have messages into batches of one session, or of at most MOST_MESSAGES messages."""
    batch: list[ObjectId] = []
    room = MOST_MESSAGES
    for session_id, last_seq in last_seqs.items():
        if batch and last_seq > room:
            yield batch
            batch, room = [], MOST_MESSAGES
        if last_seq:
            batch.append(session_id)
            room -= last_seq
    if batch:
        yield batch


def _match(seq: int, sender_type: str, text: str, at: datetime, looked_for: Sequence[str]) -> Document:
    snippet = _snippet(text, looked_for)
    return {"seq": seq, "senderType": sender_type, "snippet": snippet, "at": serializers.iso(at)}


def _snippet(text: str, looked_for: Sequence[str]) -> str:
    """Return the part of a text around the first of the words."""
    if len(text) <= SNIPPET:
        return text
    start = max(0, min(words.place(text, looked_for) - BEFORE, len(text) - SNIPPET))
    end = start + SNIPPET
    return f"{'…' if start else ''}{text[start:end].strip()}{'…' if end < len(text) else ''}"
