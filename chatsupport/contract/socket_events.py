"""The events that clients and the server emit over Socket.IO, and the AsyncAPI document that is made from them.

The events of `chatsupport/events.py`, in contrast, are internal: they say what has happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field

from chatsupport import __version__
from chatsupport.contract import schemas
from chatsupport.contract.base import Answer, Code, Json, Model, Request, absent, example, record
from chatsupport.contract.calls import Failure
from chatsupport.contract.chat import (
    AgentSummary,
    Message,
    NewMessage,
    ReadMark,
    Session,
    SessionEnd,
    SessionState,
)
from chatsupport.contract.fields import Count, Id, PersonId, PersonType, Place, Seq, SessionId, Time
from chatsupport.contract.schemas import LARGEST

_DESCRIPTION = """\
Socket.IO (protocol 5, Engine.IO 4), by websocket or long-polling, at /socket.io/. Connect with `auth: {token}` or
`auth: {apiKey}`. A refused client gets `connect_error`, whose `data` is a Failure. Every event of a client may carry an
acknowledgement callback. It gets a success envelope with the data described here, or a Failure. Without a callback, a
Failure comes as the event `error`. A packet has at most 64 KiB and no binary parts.
"""


class InSession(Request):
    """The session that an event is about."""

    session_id: SessionId = Field(description="The session's id.")
    user_id: PersonId | None = absent("Systems and API keys may name any person; for others it must be their own id.")
    user_type: Annotated[PersonType, Code("INVALID_USER_TYPE")] | None = None

    model_config = example(sessionId="6b02b30b4405bfc85b4b0ba5")


class Join(InSession):
    """The session to join, and the messages to hand over."""

    after: Seq | None = absent("The last seq that the client has.")
    lean: bool | None = absent("If true, the acknowledgement has no `messages`.")

    model_config = example(sessionId="6b02b30b4405bfc85b4b0ba5", after=41, lean=True)


class SendMessage(NewMessage, InSession):
    """A message to a session."""

    model_config = example(sessionId="6b02b30b4405bfc85b4b0ba5", message="Hello!", clientMessageId="m-1")


class MarkRead(InSession):
    """The seq up to which the caller has read."""

    seq: Annotated[int, Field(ge=1, le=LARGEST), Code("INVALID_CURSOR")] = Field(
        description="The seq of the last message that was read."
    )

    model_config = example(sessionId="6b02b30b4405bfc85b4b0ba5", seq=42)


class EndSession(SessionEnd, InSession):
    """The session to end, and the reason."""

    model_config = example(sessionId="6b02b30b4405bfc85b4b0ba5", reason="Solved")


class JoinAnswer(SessionState):
    """A session's state and messages. A lean acknowledgement has no messages."""

    session_id: Id
    last_seq: Count
    read_seq: list[ReadMark]
    messages: Annotated[list[Message], Field(max_length=200)] = absent()
    has_more: bool = Field(
        description="With `after`, whether there are later messages; without it, whether there are earlier ones."
    )


class Joined(JoinAnswer):
    """A session's state and messages."""

    messages: Annotated[list[Message], Field(max_length=200)]


Left = record("Left", session_id=Id)
Sent = record("Sent", message=Message)
TypingState = record("TypingState", session_id=Id, is_typing=bool)
Read = record("Read", session_id=Id, seq=Count)
_PRESENCE = {"session_id": Id, "user_id": str, "user_type": PersonType, "timestamp": Time}
_WHY_LEFT = Literal["left", "disconnected", "unassigned"]
_WHY_UNASSIGNED = Literal["agent_deleted", "agent_away", "transferred", "no_reply", "handed_over"]


class ErrorEvent(Failure):
    """The failure of an event without a callback. If `event` is null, the reason why the socket will be closed."""

    event: str | None = absent()


@dataclass(frozen=True)
class Emitted:
    """An event from the server: its recipients and its payload."""

    to: str
    data: type[Answer]
    shown: str | None = None
    """The payload in docs/events.md, if a list of its fields would be too long."""


OTHERS = "the others in the room"
"""The recipients of an event about a person: everybody in the room but the person's own sockets, in any process."""

SHOWN_SESSION = "the session, as [REST](rest.md#sessions) shows it"

CORE: Mapping[str, Emitted] = {
    "session_joined": Emitted("the socket that joined", Joined, "the session's state and messages"),
    "new_message": Emitted("the room", Message, "the message"),
    "user_joined": Emitted(f"{OTHERS}, once for each person, not for each tab", record("PersonJoined", **_PRESENCE)),
    "user_left": Emitted(OTHERS, record("PersonLeft", **_PRESENCE, reason=_WHY_LEFT)),
    "user_typing": Emitted(OTHERS, record("Typing", session_id=Id, user_id=str, user_type=PersonType, is_typing=bool)),
    "messages_read": Emitted(OTHERS, record("MessagesRead", session_id=Id, user_id=str, seq=Place)),
    "session_read": Emitted("all sockets of the agent who read them, in any browser", Read),
    "session_ended": Emitted(
        "the room", record("SessionEnded", session_id=Id, reason=str | None, ended_at=Time, ended_by=str | None)
    ),
    "session_idle": Emitted("the room", record("SessionIdle", session_id=Id, ends_at=Time)),
    "agent_assigned": Emitted("the room", record("AgentAssigned", session_id=Id, agent_id=Id, agent=AgentSummary)),
    "session_assigned": Emitted("all sockets of the agent", Session, SHOWN_SESSION),
    "session_unassigned": Emitted(
        "the room, all sockets of the agent",
        record("SessionUnassigned", session_id=Id, agent_id=Id, reason=_WHY_UNASSIGNED),
    ),
    "session_updated": Emitted(
        "all sockets of its user and its agent, staff in the room",
        Session,
        "the session, as [REST](rest.md#sessions) shows it to them",
    ),
    "queue_update": Emitted(
        "the room of a waiting session", record("QueueUpdate", session_id=Id, queue_position=Place)
    ),
    "session_sync": Emitted("the room", record("SessionSync", session_id=Id, last_seq=Count)),
    "error": Emitted("one socket", ErrorEvent, "the failure envelope and `event`"),
}


@dataclass(frozen=True)
class Received:
    """An event of a client: its payload, the data of its acknowledgement, and its handler."""

    body: type[InSession]
    answer: type[Answer]
    handler: Callable[..., Any]
    is_answered_later: bool = False
    """Whether the handler calls back with the answer, instead of returning it."""


RECEIVED: dict[str, Received] = {}
"""Every event that clients may emit."""
EMITTED: dict[str, Emitted] = {}
"""Every event that the server emits."""


def bind(received: Iterable[Mapping[str, Received]], emitted: Iterable[Mapping[str, Emitted]]) -> None:
    """Use only these events from now on."""
    for known, tables in ((RECEIVED, received), (EMITTED, emitted)):
        known.clear()
        for table in tables:
            known.update(table)  # type: ignore[arg-type]
    document.cache_clear()


def is_for_others(event: str) -> bool:
    """Tell whether an event of the server is about a person, whose own sockets do not get it."""
    return event in EMITTED and EMITTED[event].to.startswith(OTHERS)


@cache
def document() -> Json:
    """Return the AsyncAPI document of all events."""
    models: list[type[Model]] = [Failure]
    messages: dict[str, Json] = {}
    for name, event in sorted(RECEIVED.items()):
        models += [event.body, event.answer]
        messages[name] = {
            "summary": " ".join((event.handler.__doc__ or "").split()),
            "payload": schemas.ref(event.body),
            "x-acknowledgement": schemas.ref(event.answer),
            "examples": [{"payload": schemas.of(event.body)["example"]}],
        }
    for name, emitted in EMITTED.items():
        models.append(emitted.data)
        messages[name] = {"summary": f"To {emitted.to}.", "payload": schemas.ref(emitted.data)}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Chat Support",
            "version": __version__,
            "license": {"name": "MIT"},
            "description": _DESCRIPTION,
        },
        "defaultContentType": "application/json",
        "channels": {
            "chat": {"address": "/", "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages}}
        },
        "operations": {
            "fromClients": _operation("receive", "What clients emit.", sorted(RECEIVED)),
            "toClients": _operation("send", "What the server emits.", EMITTED),
        },
        "components": {"messages": messages, "schemas": schemas.components(models)},
    }


def _operation(action: str, summary: str, names: Iterable[str]) -> Json:
    messages = [{"$ref": f"#/channels/chat/messages/{name}"} for name in names]
    return {"action": action, "channel": {"$ref": "#/channels/chat"}, "summary": summary, "messages": messages}


def listed(model: type[Model], *, optional: str = "?") -> str:
    """Return the names of a model's fields, as a table of docs/events.md shows them."""
    required = schemas.of(model).get("required", ())
    names = schemas.of(model).get("properties", {})
    return ", ".join(name if name in required else name + optional for name in names)
