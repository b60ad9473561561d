"""Finding sessions by their words.

The index is asked for the word that the fewest sessions have (or for the agent, who may have fewer), newest first. The
entries that it gives are compared with the other words, a bounded number of them for each call: then the page ends
early, and its cursor goes on from there. The results are shown from the sessions and messages themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bson import ObjectId

from chatsupport import events, serializers
from chatsupport.documents import Message, Session
from chatsupport.errors import ForbiddenError
from chatsupport.events import HistoryRead
from chatsupport.extensions import socketio
from chatsupport.features.search import words
from chatsupport.features.search.documents import SearchEntry
from chatsupport.features.search.models import MAX_MATCHES, SearchQuery
from chatsupport.identity import SYSTEM, Caller
from chatsupport.services.messages import sequences
from chatsupport.services.sessions import lists
from chatsupport.services.shared import access, pages, rate_limits

Document = dict[str, Any]

MOST_EXAMINED = 20_000
"""How many entries one call compares with the query."""
MOST_COUNTED = 2_000
MOST_WORDS_COUNTED = 8
MOST_MESSAGES = 1_000
"""How many messages of a session, the last ones, are searched for those to show."""
SNIPPET, BEFORE = 160, 40
"""The characters of a snippet, and how many of them are before the word."""

_NEWEST_FIRST = [("createdAt", -1), ("_id", -1)]


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
    results = [
        {"session": shown, "matches": _matches(caller, session, looked_for)}
        for session, shown in zip(sessions, lists.serialize(sessions), strict=True)
    ]
    return serializers.page("results", results, cursor)


def _find(
    looked_for: Sequence[str], agent_id: ObjectId | None, wanted: SearchQuery
) -> tuple[list[ObjectId], str | None]:
    """Return the ids of the next sessions with these words, and the cursor of those behind."""
    time: Document = {}
    if wanted.start is not None:
        time["$gte"] = wanted.start
    if wanted.end is not None:
        time["$lt"] = wanted.end
    bounds: Document = {"createdAt": time} if time else {}
    if wanted.cursor is not None:
        before, session_id = wanted.cursor
        bounds = {
            "createdAt": {**time, "$lte": before},
            "$or": [{"createdAt": {"$lt": before}}, {"_id": {"$lt": session_id}}],
        }
    first, is_long = _rarest(looked_for, agent_id, bounds)
    others: Document = {"words": {"$all": list(looked_for)}}
    if agent_id is not None:
        others["agentId"] = agent_id
    if wanted.status is not None:
        others["status"] = wanted.status
    entries = SearchEntry.collection()
    stages: list[Document] = [
        {"$match": {**first, **bounds}},
        {"$sort": dict(_NEWEST_FIRST)},
        {"$limit": MOST_EXAMINED},
        {"$match": others},
        {"$limit": wanted.limit + 1},
        {"$project": {"createdAt": 1}},
    ]
    rows = list(entries.aggregate(stages))
    page = rows[: wanted.limit]
    last = page[-1] if len(rows) > wanted.limit else None
    if last is None and is_long:
        # The last entry that was compared, if there may be more behind it.
        last = entries.find_one({**first, **bounds}, {"createdAt": 1}, sort=_NEWEST_FIRST, skip=MOST_EXAMINED - 1)
    return [row["_id"] for row in page], None if last is None else pages.cursor_of(last["createdAt"], last["_id"])


def _rarest(looked_for: Sequence[str], agent_id: ObjectId | None, bounds: Document) -> tuple[Document, bool]:
    """Return the condition that the fewest entries meet, and whether these are many."""
    choices: list[Document] = [{"words": word} for word in sorted(looked_for, key=len)[-MOST_WORDS_COUNTED:]]
    if agent_id is not None:
        choices.append({"agentId": agent_id})
    counts = [SearchEntry.collection().count_documents({**one, **bounds}, limit=MOST_COUNTED) for one in choices]
    fewest = min(counts)
    return choices[counts.index(fewest)], fewest == MOST_COUNTED


def _is_wanted(session: Document, agent_id: ObjectId | None, wanted: SearchQuery) -> bool:
    return (agent_id is None or session.get("agentId") == agent_id) and wanted.status in (None, session["status"])


def _matches(caller: Caller, session: Document, looked_for: Sequence[str]) -> list[Document]:
    """Return the messages of a session that have the most of the words, in their order."""
    of_session = {"sessionId": session["_id"], "fence": sequences.NO_FENCE}
    # Their texts alone, in one document: a document for each costs this process more than looking for the words.
    texts = Message.collection().aggregate(
        [
            {"$match": of_session},
            {"$sort": {"seq": -1}},
            {"$limit": MOST_MESSAGES},
            {"$group": {"_id": None, "seqs": {"$push": "$seq"}, "texts": {"$push": "$message"}}},
        ]
    )
    scored = [
        (score, seq)
        for row in texts
        for seq, text in zip(row["seqs"], row["texts"], strict=True)
        if (score := words.count(text, looked_for))
    ]
    best = [seq for _, seq in sorted(scored, reverse=True)[:MAX_MATCHES]]
    socketio.sleep(0)
    if not best:
        return []
    events.happened(HistoryRead(caller, session))
    return [
        {
            "seq": row["seq"],
            "senderType": row["senderType"],
            "snippet": _snippet(row["message"], looked_for),
            "at": serializers.iso(row["timestamp"]),
        }
        for row in Message.collection().find({**of_session, "seq": {"$in": best}}, sort=[("seq", 1)])
    ]


def _snippet(text: str, looked_for: Sequence[str]) -> str:
    """Return the part of a text around the first of the words."""
    if len(text) <= SNIPPET:
        return text
    start = max(0, min(words.place(text, looked_for) - BEFORE, len(text) - SNIPPET))
    end = start + SNIPPET
    return f"{'…' if start else ''}{text[start:end].strip()}{'…' if end < len(text) else ''}"
