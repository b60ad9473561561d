"""Send pushes, encrypted for one browser (RFC 8291), to its push service, outside the event loop.

A push service that hangs delays only two of its own pushes. A push that cannot be sent soon is dropped, because a late
alert is useless.
"""

from __future__ import annotations

import http.client
import logging
import os
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from chatsupport import json_codec
from chatsupport.config import Variable
from chatsupport.errors import AuthenticationError, BlockedError, RateLimitedError
from chatsupport.extensions import settings, socketio
from chatsupport.features.push import keys, subscriptions
from chatsupport.features.push.models import decoded
from chatsupport.features.push.parsers import subject
from chatsupport.identity import AGENT, Caller
from chatsupport.realtime.native_threads import call_out
from chatsupport.services.people import denials
from chatsupport.services.shared import outbound
from chatsupport.services.shared.outbound import AddressRefusedError

logger = logging.getLogger(__name__)

VAPID_SUBJECT: Variable[str | None] = Variable("VAPID_SUBJECT", subject, None)

MOST_AT_ONCE, AT_ONCE_BY_HOST = 1000, 2
SECONDS_TO_WAIT = 60.0
TTL_SECONDS = 300
GONE = (404, 410)


class _Host:
    """The pushes to one host that are in progress."""

    def __init__(self) -> None:
        self.room = threading.BoundedSemaphore(AT_ONCE_BY_HOST)


_room = threading.BoundedSemaphore(MOST_AT_ONCE)
_hosts: WeakValueDictionary[str, _Host] = WeakValueDictionary()


def push(subscription: Mapping[str, Any], payload: Mapping[str, Any], topic: str) -> None:
    """Push to a browser, without waiting. A newer push of the same topic replaces an undelivered one."""
    if not _room.acquire(blocking=False):
        logger.warning("Too many pushes are in progress; a new one is dropped", extra={"event": "push_dropped"})
        return
    socketio.start_background_task(_push, subscription, json_codec.dumps(payload).encode(), topic)


def _push(subscription: Mapping[str, Any], payload: bytes, topic: str) -> None:
    about = {"event": "push_failed", "agent_id": str(subscription["agentId"])}
    about["host"] = outbound.host_of(subscription["endpoint"])
    host = _hosts.setdefault(about["host"], _Host())
    try:
        if not host.room.acquire(timeout=SECONDS_TO_WAIT):
            logger.info("A push was dropped: its push service is too slow", extra=about)
            return
        try:
            if not _is_signed_in(subscription):
                subscriptions.drop(subscription)
                return
            contact = settings.config.value(VAPID_SUBJECT) or settings.config.public_url
            status = call_out(_send, subscription, payload, topic, keys.pair(), contact, subscriptions.reach())
        finally:
            host.room.release()
        if status in GONE:
            subscriptions.drop(subscription)
        elif not 200 <= status < 300:
            logger.info("A push service refused a push", extra={**about, "status": status})
    except (OSError, http.client.HTTPException, AddressRefusedError, RateLimitedError) as error:
        logger.info("A push could not be sent", extra={**about, "reason": repr(error)})
    except Exception:
        logger.exception("A push failed", extra=about)
    finally:
        _room.release()


def _is_signed_in(subscription: Mapping[str, Any]) -> bool:
    """Tell whether the token with which the browser subscribed is still valid."""
    agent = Caller(
        str(subscription["agentId"]),
        AGENT,
        issued_at_ms=subscription.get("tokenIssuedAtMs") or 0,
        token_id=subscription.get("tokenId"),
    )
    try:
        denials.check(agent, "")
    except (AuthenticationError, BlockedError):
        return False
    return True


def _send(
    subscription: Mapping[str, Any],
    payload: bytes,
    topic: str,
    pair: keys.Pair,
    contact: str | None,
    reach: outbound.Reach,
) -> int:
    import http_ece
    from cryptography.hazmat.primitives.asymmetric import ec

    body = http_ece.encrypt(
        payload,
        salt=os.urandom(16),
        private_key=ec.generate_private_key(ec.SECP256R1()),
        dh=decoded(subscription["p256dh"]),
        auth_secret=decoded(subscription["auth"]),
        version="aes128gcm",
    )
    address = urlsplit(subscription["endpoint"])
    headers = {
        "Authorization": keys.authorization(pair, f"{address.scheme}://{address.netloc}", contact),
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "TTL": str(TTL_SECONDS),
        "Topic": topic,
        "Urgency": "high",
    }
    return outbound.post(subscription["endpoint"], body, headers, reach)
