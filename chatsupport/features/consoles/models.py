"""What consoles are shown."""

from __future__ import annotations

from pydantic import Field

from chatsupport.contract.base import Answer
from chatsupport.contract.chat import WaitingSession
from chatsupport.contract.fields import Count


class Queue(Answer):
    """Who waits."""

    total: Count
    longest_wait: Count = Field(description="Seconds that the first session has waited.")
    sessions: list[WaitingSession] = Field(description="The first 50, in the order they are served.")
