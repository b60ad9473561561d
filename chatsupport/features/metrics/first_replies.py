"""Measure how long it took until an agent answered. The look-ups run in the background: no message waits for them.

The process that stores the first message of an agent in a session counts it, so each session counts once. A process
looks at a session once, and remembers that it did.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Any

import pymongo
from bson import ObjectId

from chatsupport import serializers
from chatsupport.background import Throttled
from chatsupport.documents import Message, Session
from chatsupport.documents.session import waits_since
from chatsupport.events import MessageStored
from chatsupport.identity import AGENT
from chatsupport.observability import metrics

LOOK_SECONDS = 1.0
MAX_REMEMBERED = 20_000
MAX_WAITING = 1_000
"""While the database is slow, the metric misses some."""

_seen: OrderedDict[ObjectId, None] = OrderedDict()
_waiting: deque[Mapping[str, Any]] = deque(maxlen=MAX_WAITING)


def note(event: MessageStored) -> None:
    """Check soon whether this message is the first of an agent in its session."""
    message = event.message
    if message["senderType"] != AGENT or message["sessionId"] in _seen:
        return
    _seen[message["sessionId"]] = None
    if len(_seen) > MAX_REMEMBERED:
        _seen.popitem(last=False)
    _waiting.append(message)
    _look()


def _look_now() -> None:
    while _waiting:
        message = _waiting.popleft()
        with pymongo.timeout(LOOK_SECONDS):
            known = {"createdAt": 1, "botId": 1, "handedOverAt": 1}
            session = Session.collection().find_one({"_id": message["sessionId"]}, known)
            if session is None:
                continue
            bot_id = str(session.get("botId"))
            if message["senderId"] == bot_id:
                _seen.pop(message["sessionId"], None)  # A person may answer later.
                continue
            mine = {"sessionId": message["sessionId"], "senderType": AGENT, "senderId": {"$ne": bot_id}}
            first = Message.collection().find_one(mine, {"seq": 1}, sort=[("seq", pymongo.ASCENDING)])
        if first is not None and first["seq"] == message["seq"]:
            waited = serializers.milliseconds_between(waits_since(session), message["timestamp"])
            metrics.FIRST_REPLY.observe(waited / 1000)


_look = Throttled(_look_now, LOOK_SECONDS)
