"""How fast users were answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from chatsupport import serializers


def response_statistics(messages: Iterable[tuple[str, datetime]]) -> tuple[int, float | None]:
    """Return the number of messages, and the mean seconds from each user's message to the next agent's message.

    The messages are given in order as (sender type, time). The mean is None where no user's message was answered.
    """
    total = 0
    unanswered: list[datetime] = []
    answered, seconds = 0, 0.0
    for sender_type, time in messages:
        total += 1
        if sender_type == "user":
            unanswered.append(time)
        elif sender_type == "agent":
            seconds += sum((time - asked).total_seconds() for asked in unanswered)
            answered += len(unanswered)
            unanswered.clear()
    return total, round(seconds / answered, 3) if answered else None


def first_response_ms(session: Mapping[str, Any], messages: Iterable[Mapping[str, Any]]) -> int | None:
    """Return the milliseconds from a session's start to the first message of an agent; None where there was none.

    The messages are given in order. An agent who asks for help in a session of its own does not answer itself.
    """
    asker = (session["userId"], session.get("userType", "user"))
    for message in messages:
        if message["senderType"] == "agent" and (message["senderId"], "agent") != asker:
            return max(0, serializers.milliseconds_between(session["createdAt"], message["timestamp"]))
    return None
