"""/api/chat. Every call needs a caller; whose session it is, the services check."""

from __future__ import annotations

from flask import Blueprint, Response, request

from chatsupport import payloads, serializers
from chatsupport.blueprints.requests import caller, json_body, require_caller, success
from chatsupport.features.consoles import service as consoles
from chatsupport.services.messages import sending
from chatsupport.services.server import statistics
from chatsupport.services.sessions import lifecycle, lists, transfers

blueprint = Blueprint("chat", __name__, url_prefix="/api/chat")
blueprint.before_request(require_caller)


@blueprint.post("/start-session")
def start_session() -> tuple[Response, int]:
    """Start a session, or return the open one."""
    start = payloads.start_session(json_body())
    session, created = lifecycle.start(caller(), start.user_id, start.user_type, request.remote_addr or "")
    if created:
        return success("Session started", session, 201)
    return success("This user has an open session already", session)


@blueprint.get("/session/current")
def get_current_session() -> tuple[Response, int]:
    """Return the caller's open session."""
    return success("Current session", {"session": lifecycle.current(caller())})


@blueprint.get("/session/<session_id>")
def get_session(session_id: str) -> tuple[Response, int]:
    """Return a session."""
    return success("Session", lifecycle.describe(caller(), payloads.session_id(session_id)))


@blueprint.post("/end-session/<session_id>")
def end_session(session_id: str) -> tuple[Response, int]:
    """End a session."""
    ended = lifecycle.end(caller(), payloads.session_id(session_id), payloads.session_end(json_body()))
    return success("Session ended", ended)


@blueprint.get("/messages/<session_id>")
def get_messages(session_id: str) -> tuple[Response, int]:
    """Return a page of a session's messages."""
    history = sending.history(caller(), payloads.session_id(session_id), payloads.page(request.args))
    return success("Messages", history)


@blueprint.post("/send-message/<session_id>")
def send_message(session_id: str) -> tuple[Response, int]:
    """Send a message."""
    body = payloads.with_idempotency_key(json_body(), request.headers.get("Idempotency-Key"))
    sent = sending.send(caller(), payloads.session_id(session_id), payloads.new_message(body))
    message = serializers.message(sent.message)
    data = {
        "messageId": message["id"],
        "sessionId": message["sessionId"],
        "message": message,
        "sessionStatus": sent.session_status,
    }
    if sent.created:
        return success("Message sent", data, 201)
    return success("This message was sent before", data)


@blueprint.get("/sessions")
def list_sessions() -> tuple[Response, int]:
    """Return a page of sessions, newest first."""
    return success("Sessions", lists.list_sessions(caller(), payloads.session_filter(request.args)))


@blueprint.post("/transfer/<session_id>")
def transfer_session(session_id: str) -> tuple[Response, int]:
    """Hand a session to an agent, or back to the queue's front."""
    session, agent = payloads.session_id(session_id), payloads.optional_agent_id(json_body())
    return success("Session transferred", transfers.transfer(caller(), session, agent))


@blueprint.get("/queue")
def get_queue() -> tuple[Response, int]:
    """Return who waits."""
    return success("Queue", consoles.queue_overview(caller()))


@blueprint.get("/stats")
def get_statistics() -> tuple[Response, int]:
    """Return the statistics."""
    return success("Statistics", statistics.overview(caller()))
