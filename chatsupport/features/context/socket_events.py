"""The details of a visitor, over sockets."""

from __future__ import annotations

from chatsupport.contract.chat import Session
from chatsupport.features.context import service as context
from chatsupport.features.context.models import UpdateSession
from chatsupport.services.shared import access
from chatsupport.sockets.connections import Connection
from chatsupport.sockets.dispatch import Answer, SocketEvents

events = SocketEvents()


@events.on("update_session", body=UpdateSession, answer=Session)
def update_session(connection: Connection, told: UpdateSession) -> Answer:
    """Change the details of the visitor, like PATCH /api/chat/session/:session_id. 30 a minute."""
    access.act_as(connection.caller, told.user_id, told.user_type)
    return "Session updated", context.update(connection.caller, told.session_id, told)
