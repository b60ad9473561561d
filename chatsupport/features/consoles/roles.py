"""Supervisors' sockets are in the supervisors' room and may be in any session, but only while they are supervisors."""

from __future__ import annotations

from collections.abc import Collection

from bson import ObjectId

from chatsupport.documents import Agent
from chatsupport.documents.agent import BOT, ROLES, SUPERVISOR, is_bot, role_of
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
    """Put an agent's new socket into the rooms that its role allows. If the database is away, `check_all` does it.

    A bot is in none: it hears only of its own sessions.
    """
    connection = connections.find(event.connection)
    if connection is None or event.role in (BOT, None):
        return
    try:
        # An agent that is promoted after that look-up is among the connections that are checked then.
        if event.role == SUPERVISOR:
            _enter(connection, SUPERVISORS_ROOM)
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


def _check(agents: Collection[Caller], *, has_changed: bool) -> None:
    try:
        ids = [ObjectId(agent.id) for agent in agents if ObjectId.is_valid(agent.id)]
        rows = Agent.collection().find({"_id": {"$in": ids}}, {"role": 1, "kind": 1})
        found = {str(row["_id"]): BOT if is_bot(row) else role_of(row) for row in rows}
        leaving: list[Connection] = []
        for agent in agents:
            role = found.get(agent.id)
            for connection in connections.of(agent):
                if role in ROLES and not server.is_in(connection.sid, AGENTS_ROOM):
                    _enter(connection, AGENTS_ROOM)
                    consoles.forget_queue()
                if role == SUPERVISOR:
                    _enter(connection, SUPERVISORS_ROOM)
                elif has_changed or _is_in(connection):
                    leaving.append(connection)
        # Last, because this waits for the database, and then what was read of the others may be out of date.
        for connection in leaving:
            _leave(connection)
    except Exception as error:
        as_chat_support_error(error)


def _enter(connection: Connection, room: str) -> None:
    if connections.find(connection.sid) is connection and not server.is_in(connection.sid, room):
        server.enter(connection.sid, room)


def _leave(connection: Connection) -> None:
    """Take a socket out of every room that is not its own, including that of a session it is just joining."""
    server.leave(connection.sid, SUPERVISORS_ROOM)
    for session_id in access.not_for(connection.caller, connection.people):
        leaving.leave_session(
            LeaveSession(session_id=str(session_id), person_id=connection.caller.id, person_type=AGENT)
        )


def _is_in(connection: Connection) -> bool:
    return server.is_in(connection.sid, SUPERVISORS_ROOM)
