"""Send files by REST."""

from __future__ import annotations

import http.client
import io
from typing import Any
from urllib.parse import urlsplit

from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import TestResponse, encode_multipart

from tests.api import Api, data_of
from tests.e2e.rest import Rest


def send_file(api: Api, session_id: str, content: bytes, name: str = "a.bin", **fields: str) -> TestResponse:
    """Send a file, with other fields of the form."""
    form: Any = MultiDict({**fields, "file": FileStorage(io.BytesIO(content), name)})
    boundary, body = encode_multipart(form)
    content_type = f"multipart/form-data; boundary={boundary}"
    return api.client.post(f"/api/chat/files/{session_id}", data=body, content_type=content_type, headers=api.headers)


def sent(api: Api, session_id: str, content: bytes, name: str = "a.bin", **fields: str) -> dict[str, Any]:
    """Send a file, and return its message."""
    response = send_file(api, session_id, content, name, **fields)
    assert response.status_code == 201, response.json
    message: dict[str, Any] = data_of(response)["message"]
    return message


def read(api: Api, url: str, **headers: str) -> TestResponse:
    """Read a file at its address, without credentials."""
    return api.client.get(url, headers=headers)


def post_file(rest: Rest, session_id: str, name: str, content: bytes, **fields: str) -> None:
    """Send a file to a real server. `fields` are those of the form beside it."""
    address = urlsplit(rest.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    boundary, body = encode_multipart(MultiDict({"file": FileStorage(io.BytesIO(content), name), **fields}))
    headers = {**rest.headers, "Content-Type": f"multipart/form-data; boundary={boundary}"}
    connection.request("POST", f"/api/chat/files/{session_id}", body, headers)
    response = connection.getresponse()
    assert response.status == 201, response.read()
    connection.close()
