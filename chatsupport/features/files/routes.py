"""Files in chats: send one with a message, and read it at the address that the message has."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable

from chatsupport import serializers
from chatsupport.blueprints.forms import FileTooLargeError, Form
from chatsupport.blueprints.requests import caller
from chatsupport.blueprints.routing import ANYBODY, route
from chatsupport.contract import chat as contract
from chatsupport.contract.calls import File, Says
from chatsupport.contract.fields import SessionId
from chatsupport.errors import DatabaseUnavailableError, SessionEndedError
from chatsupport.features.files import attachments, options, storage, uploads
from chatsupport.features.files.documents import READY
from chatsupport.features.files.models import (
    FileAddress,
    FileId,
    FileNotFoundInChatError,
    FileTypeNotAllowedError,
    NewFile,
    TooManyFilesError,
)
from chatsupport.features.files.options import BY_MEDIA_TYPE, TYPES, FileType

blueprint = Blueprint("files", __name__, url_prefix="/api")

Json = dict[str, Any]
POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'"
_UNENCODED = "!#$&+-.^_`|~"
"""What RFC 8187 leaves unencoded."""


@route(
    blueprint.post("/chat/files/<session_id>"),
    form=NewFile,
    headers={"Idempotency-Key": "clientMessageId"},
    answers={
        201: Says("File sent", contract.SentMessage),
        200: Says("This file was already sent", contract.SentMessage),
    },
    errors=[SessionEndedError, TooManyFilesError, FileTooLargeError, FileTypeNotAllowedError],
)
def send_file(session_id: SessionId, form: Form) -> tuple[Json, int]:
    """Send a file.

    It answers and behaves as a sent message. The type is what the file's bytes say. 10 a minute.
    """
    address = request.remote_addr or ""
    message, status, is_new = uploads.upload(caller(), session_id, address, form.size, form.read)
    return serializers.sent_message(message, status), 201 if is_new else 200


@route(
    blueprint.get("/files/<file_id>"),
    query=FileAddress,
    answers={
        200: File("The file", tuple(sorted(each.media_type for each in TYPES)), {}),
        206: File("A part of the file", tuple(sorted(each.media_type for each in TYPES)), {}),
        304: File("Your copy of the file is current", (), {}),
    },
    errors=[DatabaseUnavailableError],
    access=ANYBODY,
)
def get_file(file_id: FileId, address: FileAddress) -> Response:
    """Get a file, or a part of it.

    The address from a message is all that is needed, until it runs out.
    """
    options.require_files()
    seconds = attachments.seconds_left(file_id, address.expires, address.signature)
    if seconds is None:
        raise FileNotFoundInChatError
    file = storage.find(file_id)
    if file is None or file["metadata"].get("state") != READY:
        raise FileNotFoundInChatError
    kind = BY_MEDIA_TYPE[file["metadata"]["type"]]
    response = Response(storage.Reader(file), mimetype=kind.media_type, direct_passthrough=True)
    response.content_length = file["length"]
    response.set_etag(str(file_id))
    response.headers["Cache-Control"] = f"private, max-age={seconds}, immutable"
    # Otherwise a page of another site would get the answer that a browser keeps for this one.
    response.vary.add("Origin")
    response.headers["Content-Security-Policy"] = POLICY
    # The chat bubble is on pages of other sites.
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["Content-Disposition"] = _disposition(file["filename"], kind)
    try:
        response.make_conditional(request, accept_ranges=True, complete_length=file["length"])
    except RequestedRangeNotSatisfiable:
        response.headers["Accept-Ranges"] = "bytes"  # A server may ignore a range.
    return response


def _disposition(name: str, kind: FileType) -> str:
    """Return how a browser treats the file. Its name gets its type's ending: a text named `x.bat` cannot run."""
    if not name.lower().endswith(kind.endings):
        name += kind.endings[0]
    shown = "inline" if kind.is_shown else "attachment"
    plain = "".join(letter if " " <= letter <= "~" and letter not in '"\\%' else "_" for letter in name)
    return f"{shown}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe=_UNENCODED)}"
