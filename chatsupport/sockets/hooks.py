"""The functions that `realtime`, the layer below, calls for connections and events."""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus
from typing import Any

from flask import Flask

from chatsupport import broadcasts, json_codec, orders
from chatsupport.config import Config
from chatsupport.contract import socket_events
from chatsupport.errors import DatabaseUnavailableError, RateLimitedError
from chatsupport.extensions import socketio
from chatsupport.observability import logs
from chatsupport.realtime import Answer, Hooks, server
from chatsupport.services.messages import message_log, read_marks
from chatsupport.services.presence import membership
from chatsupport.services.sessions import told_here
from chatsupport.sockets import deadlines, dispatch, handshake, held_events, strangers


def init_app(app: Flask, config: Config) -> None:
    """Bind Socket.IO to the application."""
    hooks = Hooks(
        refuse=_refuse,
        opened=_opened,
        closed=strangers.forget,
        may_stray=strangers.may_stray,
        connect=handshake.connect,
        disconnect=handshake.disconnect,
        event=dispatch.handle,
        overhear=_overhear,
        overhear_from_elsewhere=_overhear_from_elsewhere,
        emptied=_emptied,
    )
    server.init_app(app, config, hooks, broadcasts.SESSION_ROOMS)


def _refuse(environ: dict[str, Any]) -> Answer | None:
    """Refuse a connection of an address that has too many unauthenticated ones, and any while this process leaves.

    A client that was just told to go would come back on a kept connection, and the process would wait for its polls.
    """
    try:
        if message_log.log.is_closed:
            raise DatabaseUnavailableError("The server is restarting. Connect again.")
        server.cut(strangers.make_room(environ.get("REMOTE_ADDR", "")))
    except (DatabaseUnavailableError, RateLimitedError) as error:
        headers = [("Content-Type", "application/json"), ("Retry-After", str(error.retry_after))]
        envelope = error.envelope(environ.get(logs.REQUEST_ID))
        status = f"{error.status} {HTTPStatus(error.status).phrase.upper()}"
        return status, headers, json_codec.dumps(envelope).encode()
    return None


def _opened(eio_sid: str, environ: dict[str, Any]) -> None:
    """Note a new connection, which has some time to authenticate."""
    strangers.add(eio_sid, environ.get("REMOTE_ADDR", ""))
    deadlines.watch_handshake(eio_sid)


def _overhear(event: str, data: Any, room: Any, skipped: Collection[str]) -> Collection[str] | None:
    """Carry out orders instead of sending them to clients, and let other modules note events for clients."""
    if event == orders.EVENT:
        orders.obey(data)
        return None
    if event in told_here.EVENTS:
        told_here.heard(event, data, [room] if isinstance(room, str) else room)
    return held_events.overhear(event, data, room, skipped)


def _overhear_from_elsewhere(event: str, data: Any) -> Collection[str] | None:
    if event == orders.EVENT:
        # It may have to ask the database, and this function must not wait.
        socketio.start_background_task(orders.obey, data)
        return None
    if event == "messages_read":
        read_marks.heard(data)
    if socket_events.is_for_others(event):
        # The sending process has left out the person's sockets there. These are the person's sockets here.
        return membership.connections_of_user(data["sessionId"], data["userId"])
    return ()


def _emptied(room: str) -> None:
    read_marks.forget(room.removeprefix(broadcasts.SESSION_ROOMS))
