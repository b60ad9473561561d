"""Forms with a file (multipart/form-data), read piece by piece: the file goes to the disk, and never into memory.

Werkzeug's decoder splits the pieces: it takes bytes as they come, and Flask needs it anyway. The temporary file has no
name, so an upload that is cut off, or a server that is killed, leaves nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any

from flask import request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.sansio import multipart
from werkzeug.wsgi import get_input_stream

from chatsupport.blueprints.requests import with_headers
from chatsupport.contract.base import Request
from chatsupport.errors import PayloadTooLargeError, UnsupportedMediaTypeError
from chatsupport.extensions import socketio

FILE = "file"
MEDIA_TYPE = "multipart/form-data"
UPLOAD_SECONDS = 120.0
BYTES_PER_SECOND = 8 * 1024
"""The slowest rate of an upload, after the time that each request has."""
PIECE = 64 * 1024
MAX_FIELDS_BYTES = 32 * 1024
MAX_PARTS = 20
MAX_BOUNDARY = 200
MAX_READ_BYTES = 64 * 1024 * 1024
"""How much of a refused upload is read, so that its client hears why. Of a longer one, nothing more is read."""


class FileTooLargeError(PayloadTooLargeError):
    """The file is larger than the server takes."""

    code = "FILE_TOO_LARGE"

    def __init__(self, most: int) -> None:
        super().__init__(f"A file may have at most {most} bytes.")


def is_form(environ: Mapping[str, Any]) -> bool:
    """Tell whether a request says that its body is a form with a file."""
    return str(environ.get("CONTENT_TYPE", "")).lower().startswith(MEDIA_TYPE)


class BrokenFormError(Exception):
    """The form cannot be used; the text says why, for its sender."""


@dataclass(frozen=True)
class SentFile:
    """The file of a form, at its beginning, and the name that its sender gave it."""

    name: str
    content: IO[bytes]
    size: int


class Form:
    """A context with a form that has not been read yet. If the form is refused, the rest of the upload is discarded."""

    def __init__(self, model: type[Request], headers: Mapping[str, str]) -> None:
        self._model = model
        self._headers = headers
        self._content = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `__exit__`
        self._name: str | None = None
        self._size = 0
        self._fields: dict[str, bytearray] = {}
        self._read_bytes = 0
        raw = request.environ["wsgi.input"]
        expect = getattr(raw, "expect_upload", None)
        if expect is not None:  # In the server; the stream of a test has no clock.
            expect(UPLOAD_SECONDS, BYTES_PER_SECOND)
        self._stream = get_input_stream(request.environ)

    def __enter__(self) -> Form:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._content.close()
        if isinstance(error, Exception) and (request.content_length or 0) <= MAX_READ_BYTES:
            try:
                while self._next_piece() and self._read_bytes <= MAX_READ_BYTES:
                    pass
            except ClientDisconnected:
                return  # The client has gone, so it cannot get the answer.

    @property
    def size(self) -> int | None:
        """The length of the whole form, or None if its sender did not say it."""
        return request.content_length

    def read(self, most: int) -> tuple[Any, SentFile]:
        """Return the fields as the model of the form, and the file, which has at most so many bytes.

        Raises `FileTooLargeError`, `UnsupportedMediaTypeError`, `InvalidInputError` for a wrong field, or
        `BrokenFormError`.
        """
        boundary = request.mimetype_params.get("boundary", "")
        if request.mimetype != MEDIA_TYPE:
            raise UnsupportedMediaTypeError(f"Send the file in a form, with the header Content-Type: {MEDIA_TYPE}.")
        if not 0 < len(boundary) <= MAX_BOUNDARY or not boundary.isascii():
            raise BrokenFormError("The header Content-Type must name the form's boundary.")
        try:
            self._decode(multipart.MultipartDecoder(boundary.encode(), 2 * PIECE, max_parts=MAX_PARTS), most)
        except ClientDisconnected:
            raise BrokenFormError("The upload was cut off, or took too long. Send it again.") from None
        except RequestEntityTooLarge:
            raise BrokenFormError("The form has too many parts, or too long ones.") from None
        except ValueError:
            raise BrokenFormError("The form cannot be read. Check its boundary, and that it is complete.") from None
        if self._name is None:
            raise BrokenFormError("The form must have a file, with the name `file` and a file name.")
        self._content.seek(0)
        fields = {name: value.decode("utf-8", "surrogateescape") for name, value in self._fields.items() if value}
        return self._model.parse(with_headers(fields, self._headers)), SentFile(self._name, self._content, self._size)

    def _decode(self, decoder: multipart.MultipartDecoder, most: int) -> None:
        field: bytearray | None = None
        is_file = False
        while True:
            piece = self._next_piece()
            decoder.receive_data(piece or None)
            event = decoder.next_event()
            while not isinstance(event, (multipart.Epilogue, multipart.NeedData)):
                if isinstance(event, multipart.File):
                    is_file, field = event.name == FILE, None
                    if is_file and self._name is not None:
                        raise BrokenFormError("Send one file at a time.")
                    if is_file:
                        self._name = event.filename
                elif isinstance(event, multipart.Field):
                    is_file, field = False, self._fields.setdefault(event.name or "", bytearray())
                elif isinstance(event, multipart.Data) and is_file:
                    self._size += len(event.data)
                    if self._size > most:
                        raise FileTooLargeError(most)
                    self._content.write(event.data)
                elif isinstance(event, multipart.Data) and field is not None:
                    field += event.data
                    if sum(map(len, self._fields.values())) > MAX_FIELDS_BYTES:
                        raise RequestEntityTooLarge
                event = decoder.next_event()
            if isinstance(event, multipart.Epilogue) or not piece:
                return

    def _next_piece(self) -> bytes:
        socketio.sleep(0)  # A client that sends quickly must not keep the others waiting.
        piece = self._stream.read(PIECE)
        self._read_bytes += len(piece)
        return piece
