"""Transcripts of sessions, as files."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Response, g

from chatsupport.blueprints.requests import caller
from chatsupport.blueprints.routing import MEMBERS, route
from chatsupport.contract.calls import File
from chatsupport.contract.fields import SessionId
from chatsupport.features.transcripts import service as transcripts
from chatsupport.features.transcripts.models import Transcript, TranscriptQuery
from chatsupport.services.shared.budgets import Budget

blueprint = Blueprint("transcripts", __name__, url_prefix="/api/chat")

CHUNK_BYTES = 16 * 1024
MEDIA_TYPES = {"text": ("text/plain", "txt"), "html": ("text/html", "html"), "json": ("application/json", "json")}


@route(
    blueprint.get("/transcript/<session_id>"),
    query=TranscriptQuery,
    answers={200: File("The transcript", ("text/plain", "text/html"), data=Transcript)},
    access=MEMBERS,
)
def get_transcript(session_id: SessionId, wanted: TranscriptQuery) -> Response:
    """Get a session's transcript as a file.

    For the session's user and staff. Times are in the visitor's time zone. Notes are left out.
    """
    media_type, ending = MEDIA_TYPES[wanted.format]
    parts = transcripts.transcript(caller(), session_id, wanted.format)
    response = Response(_in_chunks(parts, g.budget), mimetype=media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="chat-{session_id}.{ending}"'
    if wanted.format == "html":
        response.headers["Content-Security-Policy"] = f"sandbox; {transcripts.POLICY}; frame-ancestors 'none'"
    return response


def _in_chunks(parts: Iterator[str], budget: Budget | None) -> Iterator[bytes]:
    """Yield the parts in chunks, and count them like the bytes of other answers."""
    chunk = bytearray()
    for part in parts:
        chunk += part.encode()
        if len(chunk) >= CHUNK_BYTES:
            yield _counted(chunk, budget)
            chunk.clear()
    yield _counted(chunk, budget)


def _counted(chunk: bytearray, budget: Budget | None) -> bytes:
    if budget is not None:
        budget.charge(len(chunk))
    return bytes(chunk)
