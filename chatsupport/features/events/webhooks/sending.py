"""Make a webhook's calls, one after the other, in a native thread."""

from __future__ import annotations

import email.utils
import http.client
import math
import re
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from chatsupport import json_codec
from chatsupport.database.clock import now
from chatsupport.features.events.webhooks import signing
from chatsupport.services.shared.outbound import AddressRefusedError, Line, Reach

SECONDS = 15.0
SLOW_SECONDS = 1.0
"""After so long, the rest of a batch is left for later, so that a batch takes a bounded time."""
KEPT_SECONDS = 5.0
"""A connection is closed when it was not used for so long. Later, something on the way may have forgotten it."""
MOST_BYTES = 20_000
WINDOW = 400
"""The most events of a webhook that are in progress."""

_IDS = ("id", "sessionId", "seq")


@dataclass(frozen=True, slots=True)
class Request:
    """An event to be sent."""

    event_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call was answered, or why not."""

    status: int | None = None
    error: str | None = None
    retry_after: float | None = None
    """The seconds that the receiver asks to be left alone."""
    seconds: float = 0.0
    """How long the call took."""

    @property
    def is_success(self) -> bool:
        """Whether the receiver has taken the event."""
        return self.status is not None and 200 <= self.status < 300


def body(kind: str, timestamp: str | None, data: Mapping[str, Any]) -> bytes:
    """Return the body of an event. Where the data would be too long, it has only the ids, and `truncated`."""
    whole = json_codec.dumps({"type": kind, "timestamp": timestamp, "data": data}).encode()
    if len(whole) <= MOST_BYTES:
        return whole
    ids = {name: data[name] for name in _IDS if name in data}
    return json_codec.dumps({"type": kind, "timestamp": timestamp, "data": {**ids, "truncated": True}}).encode()


class Sender:
    """Sends events to one webhook, a batch at a time, over one connection as long as batches follow each other."""

    def __init__(self) -> None:
        self._line: Line | None = None
        self._called: tuple[str, Reach] | None = None
        self._used_at = -math.inf

    def send(self, url: str, reach: Reach, keys: Sequence[str], requests: Sequence[Request]) -> list[Outcome]:
        """Send events in order, and return the outcomes.

        If there is no answer, or the batch takes long, those after it are not sent.
        """
        outcomes: list[Outcome] = []
        try:
            line = self._line_to(url, reach)
        except AddressRefusedError as error:
            return [Outcome(error=f"The address {error}")]
        began = time.monotonic()
        for request in requests:
            outcomes.append(_send(line, keys, request))
            if outcomes[-1].status is None or time.monotonic() - began > SLOW_SECONDS:
                break
        self._used_at = time.monotonic()
        return outcomes

    def close(self, unused_for: float = 0.0) -> None:
        """Close the connection, if it was not used for so many seconds."""
        if self._line is not None and time.monotonic() - self._used_at >= unused_for:
            self._line.close()
            self._line = None

    def _line_to(self, url: str, reach: Reach) -> Line:
        self.close(0.0 if self._called != (url, reach) else KEPT_SECONDS)
        if self._line is None:
            self._line = Line(url, reach, SECONDS)
            self._called = url, reach
        return self._line


def _send(line: Line, keys: Sequence[str], request: Request) -> Outcome:
    headers = signing.headers(request.event_id, int(now().timestamp()), request.body, keys)
    began = time.monotonic()
    try:
        reply = line.post(request.body, headers)
    except (AddressRefusedError, OSError, http.client.HTTPException) as error:
        return Outcome(error=_sentence(error), seconds=time.monotonic() - began)
    return Outcome(reply.status, retry_after=_seconds(reply.retry_after), seconds=time.monotonic() - began)


def _sentence(error: Exception) -> str:
    """Return why there was no answer, without anything that only this server should know."""
    if isinstance(error, AddressRefusedError):
        return f"The address {error}"
    if isinstance(error, TimeoutError):
        return f"There was no answer within {SECONDS:.0f} s."
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The certificate is not valid: {error.verify_message}."
    if isinstance(error, socket.gaierror):
        return "The name cannot be resolved."
    if isinstance(error, ConnectionRefusedError):
        return "The connection was refused."
    if isinstance(error, OSError):
        return "The connection broke."
    return "The answer is not readable HTTP."


def _seconds(retry_after: str | None) -> float | None:
    """Return the seconds of a `Retry-After`, which may be a date."""
    if retry_after is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", retry_after.strip()):
        return float(retry_after)
    try:
        date = email.utils.parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):  # Such as a year or an offset of many digits.
        return None
    date = date.replace(tzinfo=timezone.utc) if date.tzinfo is None else date
    return max(0.0, (date - datetime.now(timezone.utc)).total_seconds())
