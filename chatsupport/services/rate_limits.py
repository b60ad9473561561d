"""How often somebody may do something; REST and sockets are counted together.

Counts are kept in Redis where REDIS_URL is set, so that all processes share them, else in this process. When the store
fails or does not answer at once, the call goes through, and for a moment nothing is counted: a limit protects the
service and must not be what takes it down, nor what slows it down.
"""

from __future__ import annotations

import logging
import math
import time
from typing import Any

from limits import RateLimitItem, parse
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter, RateLimiter
from redis.backoff import NoBackoff
from redis.retry import Retry

from chatsupport import metrics
from chatsupport.config import Config
from chatsupport.errors import RateLimitedError
from chatsupport.identity import Caller

logger = logging.getLogger(__name__)

TOKENS = "token requests"
LOGINS = "sign-ins of this agent"
LOGINS_FROM = "sign-ins"
CONNECTIONS = "connections"
START_SESSION = "session starts"
MESSAGES = "messages"
TYPING = "typing events"

_LABELS = {
    TOKENS: "tokens",
    LOGINS: "logins",
    LOGINS_FROM: "logins_address",
    CONNECTIONS: "connections",
    START_SESSION: "start_session",
    MESSAGES: "messages",
    TYPING: "typing",
}
"""What the metrics call them."""

STORE_TIMEOUT_SECONDS = 0.5
PAUSE_SECONDS = 5.0
"""How long nothing is counted after the store failed."""


class _Limits:
    def __init__(self) -> None:
        self.limiter: RateLimiter | None = None
        self.items: dict[str, RateLimitItem] = {}
        self.paused_until = 0.0


_limits = _Limits()


def configure(config: Config) -> None:
    """Take over the configured limits, with empty counts where they are kept in this process."""
    if not config.rate_limits:
        _limits.limiter = None
        return
    _limits.limiter = MovingWindowRateLimiter(_storage(config.redis_url))
    _limits.paused_until = 0.0
    _limits.items = {
        TOKENS: parse(config.rate_limit_tokens),
        LOGINS: parse(config.rate_limit_logins),
        LOGINS_FROM: parse(config.rate_limit_logins_address),
        CONNECTIONS: parse(config.rate_limit_connections),
        START_SESSION: parse(config.rate_limit_start_session),
        MESSAGES: parse(config.rate_limit_messages),
        TYPING: parse(config.rate_limit_typing),
    }


def _storage(redis_url: str | None) -> Any:
    if redis_url is None:
        return storage_from_string("memory://")
    return storage_from_string(
        redis_url,
        socket_timeout=STORE_TIMEOUT_SECONDS,
        socket_connect_timeout=STORE_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type]
    )


def check_caller(what: str, caller: Caller) -> None:
    """Count one use by this caller. Raises `RateLimitedError` when there are too many; systems are not limited."""
    if not caller.may_act_for_others:
        _check(what, str(caller))


def check_address(what: str, address: str) -> None:
    """Count one use from this address. Raises `RateLimitedError` when there are too many."""
    _check(what, address)


def check_name(what: str, name: str) -> None:
    """Count one use under this name. Raises `RateLimitedError` when there are too many."""
    _check(what, name)


def _check(what: str, key: str) -> None:
    limiter = _limits.limiter
    if limiter is None or time.monotonic() < _limits.paused_until:
        return
    item = _limits.items[what]
    try:
        if limiter.hit(item, what, key):
            return
        reset_time = limiter.get_window_stats(item, what, key).reset_time
    except Exception:
        if time.monotonic() >= _limits.paused_until:
            _limits.paused_until = time.monotonic() + PAUSE_SECONDS
            logger.exception("The rate limits cannot be counted; letting calls through for a moment")
        return
    metrics.RATE_LIMITED.add(_LABELS[what])
    raise RateLimitedError(what, max(1, math.ceil(reset_time - time.time())))
