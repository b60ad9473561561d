"""Calls to a running server, so that a command's change is announced and enforced as if a client had asked for it."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import click

from chatsupport import identity
from chatsupport.config import Config

TIMEOUT_SECONDS = 15.0
CALLER = "command-line"


class RefusedError(Exception):
    """A server's refusal."""

    def __init__(self, status: int, envelope: dict[str, Any], retry_after: float | None) -> None:
        super().__init__(f"{envelope.get('code', status)}: {envelope.get('message', 'no reason was given')}")
        self.code = envelope.get("code")
        self.retry_after = retry_after
        """Seconds after which another try may succeed."""


class Rest:
    """A server's address, and credentials for it."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise click.BadParameter(f"{url} is not an address. Write it as http://host:port.", param_hint="--url")
        self.url = url.rstrip("/")
        self._parts, self._headers = parts, headers

    def call(self, method: str, path: str, body: dict[str, Any] | None = None, **headers: str) -> dict[str, Any]:
        """Return the data of the answer. Raises `RefusedError`, or OSError if no server answers."""
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._parts.hostname or "", self._parts.port, timeout=TIMEOUT_SECONDS)
        try:
            text = None if body is None else json.dumps(body)
            given = {**self._headers, **({} if text is None else {"Content-Type": "application/json"}), **headers}
            connection.request(method, self._parts.path.rstrip("/") + path, text, given)
            response = connection.getresponse()
            return self._data(response.status, response.read(), response.headers.get("Retry-After"))
        except http.client.HTTPException as error:
            raise ConnectionError(f"no Chat Support server answers there ({type(error).__name__})") from error
        finally:
            connection.close()

    def _data(self, status: int, body: bytes, retry_after: str | None) -> dict[str, Any]:
        try:
            envelope = json.loads(body)
        except ValueError:
            envelope = None
        if not isinstance(envelope, dict) or "success" not in envelope:
            raise ConnectionError(f"the server there is not Chat Support (status {status})")
        if not envelope["success"]:
            seconds = float(retry_after) if retry_after and retry_after.isdecimal() else None
            raise RefusedError(status, envelope, seconds)
        data: dict[str, Any] = envelope["data"]
        return data


def own_url(config: Config) -> str:
    """Return the address of this configuration's server on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.host, config.host)  # noqa: S104 - none is opened here
    return f"http://[{host}]:{config.port}" if ":" in host else f"http://{host}:{config.port}"


def own_server(config: Config, url: str | None) -> Rest:
    """Return the server of this configuration, called as a system with a token signed with its own JWT_SECRET."""
    token = identity.issue_token(CALLER, identity.SYSTEM)
    return Rest(url or own_url(config), {"Authorization": f"Bearer {token}"})


def ask(rest: Rest, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Call the server, and end with one line if it refuses."""
    try:
        return rest.call(method, path, body)
    except RefusedError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"No server answers at {rest.url}: {error}. Start it, or give --url.") from None
