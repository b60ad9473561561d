"""The feed of events, compared with what the database holds: each change has exactly one event, in order."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

STARTED, ASSIGNED, REQUEUED, ENDED = (f"session.{what}" for what in ("started", "assigned", "requeued", "ended"))


COMPLETE_SECONDS = 60.0
"""After a kill, another process goes on within 6 s, and finds messages that nobody noted within 20 s."""


def violations_that_stay(database: Any) -> list[str]:
    """Return what is wrong with the feed once it had time to become complete."""
    deadline = time.monotonic() + COMPLETE_SECONDS
    while (found := _violations(database)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


def _violations(database: Any) -> list[str]:
    """Return what is wrong with the feed now."""
    told: dict[Any, list[str | int]] = {}
    marks: Counter[Any] = Counter()
    for batch in database.events.find({}, sort=[("_id", 1)]):
        for entry in batch["entries"]:
            if "count" in entry:
                last = entry["seq"] + 1
                told.setdefault(entry["sessionId"], []).extend(range(last - entry["count"], last))
                continue
            marks[entry["id"]] += 1
            if "sessionId" in entry:
                told.setdefault(entry["sessionId"], []).append(entry["type"])
    wrong = [f"the change {mark} has {count} events" for mark, count in marks.items() if count > 1]
    for session in database.sessions.find({}, {"status": 1, "unrecorded": 1}):
        wrong += _of_session(session, told.get(session["_id"], []), database)
    return wrong


def _of_session(session: dict[str, Any], told: list[str | int], database: Any) -> list[str]:
    stored = database.messages.find({"sessionId": session["_id"], "fence": None}, {"seq": 1}, sort=[("seq", 1)])
    seqs = [message["seq"] for message in stored]
    is_ended = session["status"] == "ended"
    wrong = []
    if session.get("unrecorded"):
        wrong.append("some changes have no event")
    if [one for one in told if isinstance(one, int)] != seqs:
        wrong.append(f"of the messages {seqs}")
    if told.count(STARTED) != 1 or told[0] != STARTED:
        wrong.append("the start is missing, or is not the first")
    if told.count(ENDED) != is_ended:
        wrong.append(f"it has ended: {is_ended}")
    elif is_ended and any(one in (ASSIGNED, REQUEUED) or isinstance(one, int) for one in told[told.index(ENDED) :]):
        wrong.append("something comes after the end")
    return [f"the feed of {session['_id']}: {what}: {told}" for what in wrong]
