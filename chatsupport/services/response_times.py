"""How fast users were answered."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime


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
