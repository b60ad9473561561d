"""Connect and disconnect sockets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from bson import ObjectId

from chatsupport import broadcasts
from chatsupport.errors import (
    AuthenticationError,
    ChatSupportError,
    InvalidApiKeyError,
    InvalidTokenError,
    NotFoundError,
    RateLimitedError,
)
from chatsupport.events import AgentConnected, happened
from chatsupport.extensions import settings
from chatsupport.identity import AGENT, Caller, authenticate, bearer_token
from chatsupport.observability import metrics
from chatsupport.realtime import server
from chatsupport.services.assignment import agent_presence
from chatsupport.services.people import denials
from chatsupport.services.sessions import told_here
from chatsupport.services.shared import budgets, rate_limits
from chatsupport.sockets import connections, deadlines, leaving, strangers
from chatsupport.sockets.connections import Connection
from chatsupport.sockets.errors import as_chat_support_error, refuse

logger = logging.getLogger(__name__)

TOO_MANY_SOCKETS_SECONDS = 30


def connect(sid: str, environ: dict[str, Any], auth: object = None) -> None:
    """Accept a socket with valid credentials, and refuse others with the failure envelope.

    This function must raise nothing but a refusal: python-socketio would read a TypeError as an old signature, and call
    it again without the credentials.
    """
    address = str(environ.get("REMOTE_ADDR", ""))
    eio_sid = server.connection_of(sid)
    connection: Connection | None = None
    failure: ChatSupportError | None = None
    try:
        caller = _authenticate(environ, auth)
        if not caller.may_act_for_others:
            rate_limits.check_address(rate_limits.CONNECTIONS, address)
        connection = _admit(Connection(sid, caller, address, budgets.of(caller)))
    except AuthenticationError as error:
        failure = _counted(error, address)
    except Exception as error:
        failure = as_chat_support_error(error)
    if failure is not None or connection is None:
        failure = failure or as_chat_support_error(RuntimeError("no connection"))
        metrics.REFUSED.add(failure.code)
        about = {"event": "connect", "status": failure.status, "code": failure.code, "address": address}
        strangers.note(eio_sid, "Connection refused", **about)
        raise refuse(failure)
    own_room = broadcasts.own_room(caller)
    if caller.type == AGENT and not broadcasts.is_heard_here(own_room):
        told_here.agent_arrives(caller.id)
    server.enter(sid, own_room)
    if caller.type == AGENT:
        role = _tell_presence(agent_presence.connected, caller, sid)
        _note_list(caller)
        happened(AgentConnected(caller, sid, role))
    if eio_sid is None or not server.is_open(eio_sid):
        # It disconnected while it was connecting, and python-socketio then does not call the disconnect handler.
        disconnect(sid, "left while it was let in")
        raise refuse(NotFoundError("This socket is closed. Connect again."))
    if connection.denied is not None:
        metrics.REFUSED.add(connection.denied.code)
        disconnect(sid, "denied while it was let in")
        raise refuse(connection.denied)
    # From here on, a denial of the caller closes the socket. Nothing yields until python-socketio has accepted it.
    connection.accepted = True
    strangers.remove(eio_sid)
    deadlines.watch_token(connection)
    logger.info("Connected", extra={"event": "connect", "status": 200, "caller": str(caller), "address": address})


def _admit(connection: Connection) -> Connection:
    """Remember a socket, unless its caller is denied or has too many sockets. Raises `ChatSupportError`.

    It is remembered before the look-up, so that a denial during the look-up finds it among the connections.
    """
    connections.add(connection)
    try:
        denials.check(connection.caller, connection.address)
        if connection.denied is not None:
            raise connection.denied
        if not connection.caller.may_act_for_others:
            _check_count(connection.caller)
    except BaseException:
        connections.remove(connection.sid)
        raise
    return connection


def _check_count(caller: Caller) -> None:
    limit = settings.config.max_sockets_per_caller
    if len(connections.of(caller)) > limit:
        metrics.RATE_LIMITED.add("sockets")
        raise RateLimitedError(f"open sockets: {limit} at most; close one", TOO_MANY_SOCKETS_SECONDS)


def disconnect(sid: str, reason: str = "") -> None:
    """Take a socket out of all its sessions."""
    connection = connections.remove(sid)
    if connection is None:
        return
    eio_sid = server.connection_of(sid)
    if eio_sid is not None:
        deadlines.watch_handshake(eio_sid)  # In case the connection stays open after the socket has disconnected.
        if server.is_open(eio_sid):
            strangers.add(eio_sid, connection.address)
    for session_id, person in list(connection.people.items()):
        leaving.part(connection, session_id, person, "disconnected")
    if connection.caller.type == AGENT:
        _tell_presence(agent_presence.disconnected, connection.caller, sid)
    logger.info("Disconnected", extra={"event": "disconnect", "caller": str(connection.caller), "reason": str(reason)})


def _tell_presence(tell: Callable[[ObjectId, str], str | None], agent: Caller, sid: str) -> str | None:
    """Count an agent's socket. If the database is away, the next heartbeat makes up for it."""
    try:
        return tell(ObjectId(agent.id), sid)
    except Exception as error:
        as_chat_support_error(error)
        return None


def _note_list(agent: Caller) -> None:
    """Note which sessions an agent has. If the database is away, the agent is told of each of them later."""
    try:
        told_here.agent_connected(agent.id)
    except Exception as error:
        as_chat_support_error(error)


def _authenticate(environ: Mapping[str, Any], auth: object) -> Caller:
    """Return the connecting caller, from the client's `auth` object or from the same headers as in REST."""
    given = auth if isinstance(auth, dict) else {}
    token, api_key = given.get("token"), given.get("apiKey")
    if token is not None and not isinstance(token, str):
        raise InvalidTokenError("auth.token must be a string.")
    if api_key is not None and not isinstance(api_key, str):
        raise InvalidApiKeyError("auth.apiKey must be a string.")
    if token is None and api_key is None:
        api_key = environ.get("HTTP_X_API_KEY")
        token = bearer_token(environ.get("HTTP_AUTHORIZATION")) if api_key is None else None
    with environ["flask.app"].app_context():
        return authenticate(token, api_key)


def _counted(error: ChatSupportError, address: str) -> ChatSupportError:
    """Return the error, or a `RateLimitedError` after too many attempts from this address."""
    try:
        rate_limits.check_address(rate_limits.CONNECTIONS, address)
    except ChatSupportError as limited:
        return limited
    return error
