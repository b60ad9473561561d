"""Supervisors' sockets are in the supervisors' room and may be in any session, but only while they are supervisors."""

from __future__ import annotations

from collections.abc import Iterable

from chatsupport.documents.agent import BOT, SUPERVISOR
from chatsupport.events import AgentConnected
from chatsupport.extensions import socketio
from chatsupport.features.consoles import service as consoles
from chatsupport.features.consoles.broadcasts import AGENTS_ROOM, SUPERVISORS_ROOM
from chatsupport.features.consoles.orders import CheckRole
from chatsupport.identity import AGENT, Caller
from chatsupport.orders import LeaveSession
from chatsupport.realtime import server
from chatsupport.services.shared import access
from chatsupport.sockets import connections, leaving
from chatsupport.sockets.connections import Connection
from chatsupport.sockets.errors import as_chat_support_error


def connected(event: AgentConnected) -> None:
    """Put an agent's new socket into the rooms that its role allows. If the database is away, the heartbeat does it.

    A bot is in none: it hears only of its own sessions.
    """
    connection = connections.find(event.connection)
    if connection is None or event.role == BOT:
        return
    try:
        # An agent that is promoted after that look-up is among the connections that are checked then.
        if event.role == SUPERVISOR:
            _enter(connection)
            # The agent may have been demoted after the look-up, and its sockets told before this one was in the room.
            if not access.is_supervisor(connection.caller):
                _leave(connection)
    except Exception as error:
        as_chat_support_error(error)
    # This comes last and does not wait, so that everything it sends comes after the answer to the connect.
    server.enter(connection.sid, AGENTS_ROOM)
    consoles.forget_queue()


def obey(order: CheckRole) -> None:
    """Check soon that the sockets here of an agent with a new role are in the rooms that it allows."""
    agent = Caller(order.agent_id, AGENT)
    if connections.of(agent):
        socketio.start_background_task(_check, [agent], has_changed=True)


def check_all() -> None:
    """Check that the sockets of all agents here are in the rooms that their roles allow."""
    agents = connections.agents()
    if agents:
        _check(agents, has_changed=False)


def _check(agents: Iterable[Caller], *, has_changed: bool) -> None:
    try:
        supervisors = access.supervisors_among([agent.id for agent in agents])
        for agent in agents:
            for connection in connections.of(agent):
                if agent.id in supervisors:
                    _enter(connection)
                elif has_changed or _is_in(connection):
                    _leave(connection)
    except Exception as error:
        as_chat_support_error(error)


def _enter(connection: Connection) -> None:
    if connections.find(connection.sid) is connection and not _is_in(connection):
        server.enter(connection.sid, SUPERVISORS_ROOM)


def _leave(connection: Connection) -> None:
    """Take a socket out of every room that is not its own, including that of a session it is just joining."""
    server.leave(connection.sid, SUPERVISORS_ROOM)
    for session_id in access.not_for(connection.caller, connection.people):
        leaving.leave_session(
            LeaveSession(session_id=str(session_id), person_id=connection.caller.id, person_type=AGENT)
        )


def _is_in(connection: Connection) -> bool:
    return server.is_in(connection.sid, SUPERVISORS_ROOM)
