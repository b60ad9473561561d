"""Rate limits, which count REST and sockets together.

Counts are kept in Redis where REDIS_URL is set, so that all processes share them, else in this process. When Redis
fails or does not answer at once, this process counts for itself for a moment: a limit protects the service and must not
be what takes it down or slows it down, and without Redis it is still a limit.
"""

from __future__ import annotations

import logging
import math
import time
from types import SimpleNamespace
from typing import Any

import limits.storage.memory
import limits.storage.redis
from limits import RateLimitItem, parse
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter, RateLimiter
from redis.backoff import NoBackoff
from redis.retry import Retry

from chatsupport import addresses
from chatsupport.config import Config
from chatsupport.database import clock
from chatsupport.errors import RateLimitedError
from chatsupport.identity import Caller
from chatsupport.observability import metrics

logger = logging.getLogger(__name__)

TOKENS = "token requests"
LOGINS = "sign-ins of this agent"
LOGINS_FROM = "sign-ins"
RESETS = "password resets"
CONNECTIONS = "connections"
START_SESSION = "session starts"
STARTS_FROM = "session starts from this address"
REFUSALS = "calls without valid credentials"
MESSAGES = "messages"
SEARCHES = "searches"
TYPING = "typing events"
UPDATES = "updates of sessions"
FILES = "files"
FILE_BYTES = "bytes of files from this address"

BYTES_AT_ONCE = 64 * 1024
"""Bytes are counted in these units, because each unit takes memory."""

_LABELS = {
    TOKENS: "tokens",
    LOGINS: "logins",
    LOGINS_FROM: "logins_address",
    RESETS: "resets",
    CONNECTIONS: "connections",
    START_SESSION: "start_session",
    STARTS_FROM: "start_session_address",
    REFUSALS: "refusals",
    MESSAGES: "messages",
    SEARCHES: "searches",
    TYPING: "typing",
    UPDATES: "updates",
    FILES: "files",
    FILE_BYTES: "file_bytes",
}
"""Their names in the metrics."""

STORE_TIMEOUT_SECONDS = 0.5
PAUSE_SECONDS = 5.0
"""How long this process counts alone after Redis failed."""


# The library uses the wall clock, which may be set while the server runs, and differs between processes.
setattr(limits.storage.memory, "time", SimpleNamespace(time=clock.elapsed))  # noqa: B010
setattr(limits.storage.redis, "time", SimpleNamespace(time=clock.timestamp))  # noqa: B010


class _Limits:
    def __init__(self) -> None:
        self.limiter: RateLimiter | None = None
        self.alone: RateLimiter | None = None
        """Counts in this process, if there is no Redis or it is away."""
        self.items: dict[str, RateLimitItem] = {}
        self.paused_until = 0.0


_limits = _Limits()


def configure(config: Config) -> None:
    """Set the configured limits. Counts in this process start empty."""
    _limits.limiter = _limits.alone = None
    if not config.rate_limits:
        return
    _limits.alone = MovingWindowRateLimiter(storage_from_string("memory://"))
    _limits.limiter = _limits.alone if config.redis_url is None else MovingWindowRateLimiter(_shared(config.redis_url))
    _limits.paused_until = 0.0
    _limits.items = {
        TOKENS: parse(config.rate_limit_tokens),
        LOGINS: parse(config.rate_limit_logins),
        LOGINS_FROM: parse(config.rate_limit_logins_address),
        RESETS: parse(config.rate_limit_resets),
        CONNECTIONS: parse(config.rate_limit_connections),
        START_SESSION: parse(config.rate_limit_start_session),
        STARTS_FROM: parse(config.rate_limit_start_session_address),
        REFUSALS: parse(config.rate_limit_refusals),
        MESSAGES: parse(config.rate_limit_messages),
        SEARCHES: parse(config.rate_limit_search),
        TYPING: parse(config.rate_limit_typing),
        UPDATES: parse(config.rate_limit_updates),
        FILES: parse(config.rate_limit_files),
        FILE_BYTES: _in_units(parse(config.rate_limit_file_bytes)),
    }


def _in_units(rate: RateLimitItem) -> RateLimitItem:
    return type(rate)(max(1, rate.amount // BYTES_AT_ONCE), rate.multiples)


def _shared(redis_url: str) -> Any:
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
    """Count one use from this address (IPv6: from its /64). Raises `RateLimitedError` after too many."""
    _check(what, addresses.counted(address))


def check_bytes(address: str, size: int) -> None:
    """Count an upload of this size from this address. Raises `RateLimitedError` after too many bytes."""
    _check(FILE_BYTES, addresses.counted(address), math.ceil(size / BYTES_AT_ONCE))


def check_name(what: str, name: str) -> None:
    """Count one use under this name. Raises `RateLimitedError` when there are too many."""
    _check(what, name)


def _check(what: str, key: str, amount: int = 1) -> None:
    limiter, alone = _limits.limiter, _limits.alone
    if limiter is None or alone is None:
        return
    item = _limits.items[what]
    amount = max(1, min(amount, item.amount))
    if limiter is not alone and time.monotonic() < _limits.paused_until:
        limiter = alone
    try:
        seconds = _hit(limiter, item, what, key, amount)
    except Exception:
        if limiter is alone:
            raise
        if time.monotonic() >= _limits.paused_until:
            _limits.paused_until = time.monotonic() + PAUSE_SECONDS
            logger.exception("Redis cannot count the rate limits; this process counts by itself for a moment")
        seconds = _hit(alone, item, what, key, amount)
    if seconds is None:
        return
    metrics.RATE_LIMITED.add(_LABELS[what])
    raise RateLimitedError(what, seconds)


def _hit(limiter: RateLimiter, item: RateLimitItem, what: str, key: str, amount: int) -> int | None:
    """Count one use. Returns None or, after too many, the seconds until the next try."""
    if limiter.hit(item, what, key, cost=amount):
        return None
    time_now = clock.elapsed() if limiter is _limits.alone else clock.timestamp()
    return max(1, math.ceil(limiter.get_window_stats(item, what, key).reset_time - time_now))
