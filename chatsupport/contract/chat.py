"""Requests and answers about sessions and messages."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from chatsupport.contract.base import Answer, Code, OpenRequest, Request, about, absent, example, page, record, refused
from chatsupport.contract.content import Content
from chatsupport.contract.fields import (
    DEFAULT_PAGE,
    MAX_TAGS,
    AgentId,
    Bound,
    Count,
    Cursor,
    DepartmentId,
    Digits,
    Id,
    Limit,
    Line,
    PersonId,
    PersonType,
    Place,
    Reason,
    Seq,
    Status,
    Tag,
    Text,
    Time,
    null_is,
)
from chatsupport.contract.schemas import LARGEST
from chatsupport.documents.message import MAX_LENGTH
from chatsupport.identity import Caller

MAX_SUMMARY = 2000
DEFAULT_END_REASON = "User ended session"


class StartSession(OpenRequest):
    """A session to be started. Users and agents start their own; systems start one for anybody."""

    user_id: PersonId
    user_type: Annotated[Literal["user", "agent"], null_is("user"), Code("INVALID_USER_TYPE")] = Field(
        default="user", description="For users and agents, their own type. `agent` is for an agent who asks for help."
    )
    department_id: DepartmentId | None = absent("The department whose agents may have a new session. Without it: all.")

    model_config = example(userId="visitor-1")

    @property
    def caller(self) -> Caller:
        """The person as a caller. An agent's id has its standard spelling."""
        return Caller(self.user_id, self.user_type)


class SessionEnd(Request):
    """The end of a session, and its reason."""

    reason: Annotated[str, Line(200, instead=DEFAULT_END_REASON), Code("INVALID_REASON")] = Field(
        default=DEFAULT_END_REASON, description="The user sees it."
    )
    internal_reason: Annotated[str | None, Line(200), Code("INVALID_REASON")] = absent(
        "Only staff (the session's agent, supervisors, systems) may set it, and only staff see it: "
        "in the session, in lists and in session_changed."
    )

    model_config = example(reason="Solved")


class NewMessage(Request):
    """A message to a session."""

    text: Annotated[str, Text(MAX_LENGTH), Code("INVALID_MESSAGE", too_long="MESSAGE_TOO_LONG")] = Field(
        validation_alias="message",
        description="It is trimmed. The limit counts code points, one of them visible. No NUL, no unpaired surrogates.",
    )
    client_message_id: Annotated[str, Text(64), Code("INVALID_CLIENT_MESSAGE_ID")] | None = absent(
        "Your own id for the message. If the same sender repeats it in the session, nothing new is stored."
    )
    content: Annotated[Content, Code("INVALID_CONTENT")] | None = absent(
        "Choices or a card, which clients show with the text if they can. Users cannot send any."
    )
    reply_to: Annotated[int, Field(ge=1, le=LARGEST), Code("INVALID_CONTENT")] | None = absent(
        "The seq of the message whose choice was clicked."
    )
    sender_id: Annotated[PersonId, Code("INVALID_SENDER_ID")] | None = absent(
        "Systems and API keys may send any; for others it must be their own."
    )
    sender_type: Annotated[PersonType, Code("INVALID_SENDER_TYPE")] | None = None

    model_config = example(message="Where is my parcel?", clientMessageId="m-1")


class Transfer(Request):
    """The target of a transfer."""

    agent_id: AgentId | None = absent(
        "The agent who gets the session. Without it, the session goes back to the front of the queue."
    )
    department_id: DepartmentId | None = absent(
        "The session's new department. null takes it out of its department. Without it, the department stays."
    )

    model_config = example(agentId=None)


class Handoff(Request):
    """What a bot leaves to the person who gets the session next."""

    text: Annotated[str, Text(MAX_LENGTH), Code("INVALID_MESSAGE", too_long="MESSAGE_TOO_LONG")] | None = Field(
        default=None,
        validation_alias="message",
        description="The caller's last message. Without it, the system says that a person will come.",
    )
    summary: Annotated[str, Text(MAX_SUMMARY), Code("INVALID_NOTE")] | None = absent(
        "A note for staff: what the visitor wants, and what was tried. Not for users."
    )
    department_id: DepartmentId | None = absent("The session's new department. Without it, the department stays.")
    tags: Annotated[list[Tag], Field(max_length=MAX_TAGS), Code("INVALID_TAGS")] | None = absent(
        "Tags to be added to those of the session. Not for users."
    )

    model_config = example(message="I will get somebody who can refund you.", summary="Order 17 arrived broken.")


class SessionFilter(OpenRequest):
    """The filter and the page of a list of sessions."""

    status: Annotated[Status, Code("INVALID_STATUS")] | None = None
    agent_id: AgentId | None = absent("Only the sessions of this agent.")
    user_id: PersonId | None = absent("Only the sessions of this user.")
    start: Bound | None = Field(
        default=None,
        validation_alias="from",
        description="Only sessions that began at this time or later: a date or time as in ISO 8601.",
    )
    end: Bound | None = Field(
        default=None, validation_alias="to", description="Only sessions that began before this time."
    )
    reason: Reason | None = absent(
        "Only the ended sessions with exactly this reason. If a session has an `internalReason`, that is its reason."
    )
    limit: Limit = DEFAULT_PAGE
    cursor: Cursor | None = None

    @model_validator(mode="after")
    def _is_a_range(self) -> SessionFilter:
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise refused("from", "INVALID_RANGE", "from must be before to.")
        return self


class Page(Request):
    """A part of a history: by offset, or after or before a seq."""

    limit: Limit = DEFAULT_PAGE
    offset: Annotated[int, Field(ge=0, le=LARGEST), Digits, Code("INVALID_OFFSET")] = Field(
        default=0, description="How many messages to skip from the beginning."
    )
    after: Annotated[Seq, Digits] | None = absent(
        "A seq. Returns the messages after it, oldest first. It wins over `offset`."
    )
    before: Annotated[Seq, Digits] | None = absent(
        "A seq. Returns the messages right before it. It cannot be combined with `after`."
    )

    @model_validator(mode="after")
    def _goes_one_way(self) -> Page:
        if self.after is not None and self.before is not None:
            raise refused("before", "INVALID_CURSOR", "Give either after or before, not both.")
        return self


class AgentSummary(Answer):
    """What a visitor may know about an agent."""

    id: Id
    name: str
    is_online: bool = Field(description="True if the agent is set to online and is present.")
    is_bot: Literal[True] = absent("Present if the agent is a program.")


class ReadMark(Answer):
    """The seq up to which a participant has read."""

    user_id: str
    user_type: str
    seq: Count


class Message(Answer):
    """A message, as everybody sees it."""

    id: Id
    session_id: Id
    seq: Place = Field(description="1, 2, 3… without gap or repeat: the order everybody sees.")
    sender_id: str
    sender_type: PersonType
    message: Annotated[str, Field(max_length=MAX_LENGTH)] = Field(
        description="As it was sent, trimmed. It is text, not HTML: escape it when you show it."
    )
    timestamp: Time
    client_message_id: str = absent()
    content: Content = absent("Choices or a card, beside the text.")
    reply_to: Place = absent("The seq of the message whose choice was clicked.")
    erased: Literal[True] = absent("Present if the text was erased. `message` is then empty.")


class SessionState(Answer):
    """The state of a session."""

    status: Status
    agent_id: Id | None
    agent: AgentSummary | None
    queue_position: Place | None = Field(description="Counted from 1. Null if the session is not waiting.")


class Assignment(Answer):
    """Why a session went to its agent."""

    reason: Literal["sticky", "least_loaded", "transfer", "take_over", "overflow", "bot"]
    at: Time
    load: Count = Field(description="How many other sessions the agent had then.")


class Session(SessionState):
    """A session."""

    id: Id
    user_id: str
    user_type: str
    created_at: Time
    first_assigned_at: Time | None
    handed_over_at: Time = absent("When it left its bot. Its user has waited for a person since then.")
    updated_at: Time | None
    ended_at: Time | None
    end_reason: str | None
    department_id: Id | None
    assignment: Assignment | None = absent(
        "Why it went to its agent, or last went to one. For staff only; null if it never had an agent."
    )
    internal_reason: str = absent("Why it ended, for staff only: users do not get this field.")
    message_count: Count
    last_seq: Count = Field(description="The seq of the last message, or 0 if there is none.")
    read_seq: list[ReadMark] = Field(description="The seq up to which each participant has read.")
    duration: Count = Field(description="Milliseconds from the start to the end, or to now while the session is open.")


class ListedSession(Session):
    """A session in a list."""

    unread_count: Count = Field(description="How many messages its agent has not read.")


OPENS_AT = Field(description="When the chat opens. Null if it is open, or if that is not known.")


class Instructions(Answer):
    """What to do next."""

    websocket: str
    http: str


class StartedSession(SessionState):
    """A session that was just started, or was already open."""

    session_id: Id
    created_at: Time
    waiting_message: str | None
    is_open: bool
    opens_at: Time | None = OPENS_AT
    instructions: Instructions


class WaitingSession(Answer):
    """A waiting session."""

    session_id: Id = absent("Agents who are not supervisors do not get it.")
    user_id: str
    department_id: Id | None
    position: Place = Field(description="Its place among the sessions of its department.")
    waiting_since: Time | None


class AvailabilityOf(Request):
    """Whose availability is asked for."""

    department_id: DepartmentId | None = absent("Only the agents who get sessions of this department.")


class Availability(Answer):
    """The availability of the service."""

    is_open: bool
    opens_at: Time | None = OPENS_AT
    is_staffed: bool = Field(description="True if an agent is online and present, busy or not.")
    waiting: Count = absent("Only for callers with credentials.")
    estimated_wait_seconds: Count | None = absent(
        "Only for callers with credentials: the wait of a visitor who starts a session now. Null if it is not "
        "known, and with departmentId."
    )


class AgentLoad(Answer):
    """How busy an agent is."""

    id: Id
    name: str
    kind: Literal["human", "bot"]
    active_users: Count
    max_users: Place
    is_online: bool
    utilization_rate: str


class WaitingDepartment(Answer):
    """A department whose sessions wait for its agents."""

    id: Id
    name: str
    waiting: Count
    longest_wait: Count = Field(description="How many seconds the first session has waited for the department.")
    is_staffed: bool = Field(description="True if an agent who may have its sessions is online and present.")
    is_starving: bool = Field(description="True if nobody is there, and its sessions do not overflow to others.")


EndedSession = record(
    "EndedSession",
    session_id=Id,
    ended_at=Time,
    reason=str | None,
    statistics=record(
        "EndStatistics",
        duration=about(Count, "Milliseconds."),
        total_messages=Count,
        average_response_time=about(float | None, "Seconds from a user's message to the agent's next one."),
    ),
)
CurrentSession = record("CurrentSession", session=Session | None)
SentMessage = record("SentMessage", message_id=Id, session_id=Id, message=Message, session_status=Status)
SessionPage = page("SessionPage", "sessions", ListedSession)
History = record(
    "History",
    session_id=Id,
    messages=about(list[Message], "Oldest first."),
    pagination=record("Pagination", total=Count, limit=Place, offset=Count, has_more=bool),
)
Statistics = record(
    "Statistics",
    sessions=record("SessionCounts", active=Count, waiting=Count, ended=Count, total=Count),
    messages=record("MessageCounts", total=Count, average_per_session=float),
    agents_total=Count,
    agents=about(list[AgentLoad], "Sorted by name. If there are more than 200, the busiest 200. Empty for users."),
    departments=about(
        list[WaitingDepartment], "The departments whose sessions wait for their agents. Empty for users."
    ),
    performance=record(
        "Performance",
        average_session_duration=about(float, "Seconds."),
        average_wait_time=about(float, "Seconds."),
        system_load=about(str, "The taken slots of the agents who are present, as a percentage."),
    ),
    system_health=record(
        "SystemHealth",
        status=str,
        uptime=about(float, "Seconds."),
        memory=about(record("Memory", used=float, total=float), "MiB."),
        timestamp=Time,
    ),
)
