"""Requests and answers for the export and erasure of a person."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field

from chatsupport.contract.base import Answer, Code, Reads, Request, absent, record
from chatsupport.contract.chat import Message, Session
from chatsupport.contract.fields import Count, Time, null_is
from chatsupport.contract.people import Agent
from chatsupport.identity import Caller

_SURROGATES = re.compile("[\ud800-\udfff]")


def _stored(value: Any) -> str:
    if not isinstance(value, str) or not value or _SURROGATES.search(value):
        raise ValueError
    return value


class Erasable(Request):
    """The type of the person whose id is in the path."""

    user_type: Annotated[Literal["user", "agent"], null_is("user"), Code("INVALID_USER_TYPE")] = "user"


class StoredPerson(Erasable):
    """The person. Any stored id is allowed, also one that would be refused today."""

    user_id: Annotated[str, Reads(_stored, "the id exactly as it is stored"), Code("INVALID_USER_ID")] = Field(
        description="Exactly as it is stored. Ids that would be refused today are allowed."
    )

    @property
    def caller(self) -> Caller:
        """The person as a caller."""
        return Caller(self.user_id, self.user_type)


class ExportedSession(Session):
    """A session with its messages."""

    messages: list[Message]


class Export(Answer):
    """Everything that is stored about a person."""

    user_id: str
    user_type: str
    exported_at: Time
    sessions: list[ExportedSession]
    agent: Agent | None
    sent_messages: list[Message] = Field(description="The agent's own messages, in the sessions of others.")
    blocks: list[dict[str, Any]] = Field(description="As GET /api/blocks shows them.")
    notes: list[dict[str, Any]] = absent("An agent's own, as GET /api/chat/notes shows them.")
    ratings: list[dict[str, Any]] = absent("How the person has rated sessions.")
    push_subscriptions: list[dict[str, Any]] = absent("An agent's own browsers that are pushed to.")
    audit_entries: list[dict[str, Any]] = Field(description="As GET /api/audit shows them.")


Erased = record("Erased", pseudonym=str, sessions=Count, messages=Count, is_complete=bool)
