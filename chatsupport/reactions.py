"""The reactions to each event: the table of the core, followed by those of the features.

Reactions are called from left to right, and the order is part of the design: a slot is freed before the queue is
served. `flask --app wsgi reactions` prints the complete table.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Protocol

from chatsupport import broadcasts, events, orders, serializers
from chatsupport.database.clock import now
from chatsupport.documents.session import OPEN
from chatsupport.errors import SessionNotFoundError
from chatsupport.events import (
    AgentChanged,
    AgentCreated,
    AgentDeleted,
    AgentsCameBack,
    AgentWentAway,
    Blocked,
    CameFrom,
    GuestIdentified,
    MessagesRead,
    MessageStored,
    PersonJoined,
    PersonLeft,
    SessionAssigned,
    SessionEnded,
    SessionIdle,
    SessionLeft,
    SessionMoved,
    SessionRequeued,
    SessionStarted,
    SessionUpdated,
    SignedOut,
    SlotFreed,
    Table,
    TokensRevoked,
    TypingChanged,
)
from chatsupport.identity import AGENT
from chatsupport.orders import CloseSockets
from chatsupport.services.assignment import queue, serving, slots, transitions
from chatsupport.services.messages import message_log
from chatsupport.services.people import denials
from chatsupport.services.server import totals
from chatsupport.services.sessions import identification, reading


class HasReactions(Protocol):
    """A feature, as far as this module knows it."""

    @property
    def reactions(self) -> Table:
        """The feature's reactions."""


def table(features: Iterable[HasReactions] = ()) -> Table:
    """Return the reactions to every event: the core's, then each feature's in the order of the features."""
    return events.merge([_core(), *(feature.reactions for feature in features)])


def _core() -> Table:
    return {
        SessionStarted: [serving.serve_late],
        SessionAssigned: [
            queue.announce_after_assignment,
            tell_room_of_agent,
            tell_agent_of_session,
            totals.count_assigned,
        ],
        SessionRequeued: [slots.free_left, tell_of_leaving, queue.announce, serving.serve_queue],
        SessionMoved: [slots.free_left, tell_of_leaving, serving.serve_queue],
        SessionEnded: [
            slots.free_ended,
            tell_room_of_end,
            queue.announce_after_end,
            totals.count_ended,
            serving.serve_after_end,
        ],
        SessionUpdated: [tell_of_update],
        SessionIdle: [broadcasts.session_idle],
        SlotFreed: [serving.serve_queue],
        # This is the hot path: every message pays for each entry here.
        MessageStored: [broadcasts.new_message],
        MessagesRead: [broadcasts.messages_read],
        PersonJoined: [broadcasts.user_joined],
        PersonLeft: [broadcasts.user_left],
        TypingChanged: [broadcasts.user_typing],
        AgentCreated: [serving.serve_queue],
        AgentChanged: [tell_new_name, serving.serve_queue],
        # The queue is served even if the agent had no sessions: a session that avoided another agent may get that one
        # now.
        AgentDeleted: [close_sockets_of_deleted, transitions.requeue_deleted, serving.serve_queue],
        AgentWentAway: [transitions.requeue_away, serving.serve_queue],
        AgentsCameBack: [serving.serve_queue],
        TokensRevoked: [denials.close_sockets],
        SignedOut: [denials.close_sockets],
        GuestIdentified: [denials.close_sockets],
        Blocked: [denials.close_sockets],
    }


def tell_room_of_agent(event: SessionAssigned) -> None:
    """Tell the visitor which agent will answer."""
    broadcasts.agent_assigned(event.session, event.agent)


def tell_agent_of_session(event: SessionAssigned) -> None:
    """Tell the agent about the session, on all its sockets."""
    # Nobody can have written in a session that was just stored and whose id was given to nobody.
    last_seq = 0 if event.came_from is CameFrom.START else message_log.log.last_seq(event.session["_id"])
    session = serializers.session(event.session, event.agent, None, last_seq, now(), for_staff=True)
    broadcasts.session_assigned(event.agent["_id"], session)


def tell_of_leaving(event: SessionLeft) -> None:
    """Tell the room and the agent that the session has left the agent, unless the agent has it again."""
    if event.agent_id is not None and event.session.get("agentId") != event.agent_id:
        broadcasts.session_unassigned(event.session["_id"], event.agent_id, event.reason)


def tell_room_of_end(event: SessionEnded) -> None:
    """Tell the room that the session has ended."""
    broadcasts.session_ended(event.session)


def tell_of_update(event: SessionUpdated) -> None:
    """Announce the state of a session, unless it ended long ago, when nobody would hear it."""
    session = event.session
    if session["status"] in OPEN or session.get("endReason") == identification.MERGED:
        broadcasts.session_updated(*reading.describe_stored(session["_id"]))


def tell_new_name(event: AgentChanged) -> None:
    """Tell everybody in the agent's open sessions the agent's new name."""
    if event.before["name"] == event.agent["name"]:
        return
    for session_id in event.agent.get("activeSessions", ()):
        with contextlib.suppress(SessionNotFoundError):  # The reconciler is about to free this slot.
            broadcasts.session_updated(*reading.describe_stored(session_id))


def close_sockets_of_deleted(event: AgentDeleted) -> None:
    """Close the sockets of an agent that was deleted, in every process."""
    orders.give(CloseSockets(person_id=str(event.agent_id), person_type=AGENT))
