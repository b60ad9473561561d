"""How often somebody may do something; REST and sockets are counted together.

Counts are kept in Redis where REDIS_URL is set, so that all processes share them, else in this process. When the store
fails, the call goes through: a limit protects the service and must not be what takes it down.
"""

from __future__ import annotations

import logging
import math
import time

from limits import RateLimitItem, parse
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter, RateLimiter

from chatsupport.config import Config
from chatsupport.errors import RateLimitedError
from chatsupport.identity import Caller

logger = logging.getLogger(__name__)

TOKENS = "token requests"
CONNECTIONS = "connections"
START_SESSION = "session starts"
MESSAGES = "messages"
TYPING = "typing events"


class _Limits:
    def __init__(self) -> None:
        self.limiter: RateLimiter | None = None
        self.items: dict[str, RateLimitItem] = {}


_limits = _Limits()


def configure(config: Config) -> None:
    """Take over the configured limits, with empty counts where they are kept in this process."""
    if not config.rate_limits:
        _limits.limiter = None
        return
    storage = storage_from_string(config.redis_url or "memory://")
    _limits.limiter = MovingWindowRateLimiter(storage)
    _limits.items = {
        TOKENS: parse(config.rate_limit_tokens),
        CONNECTIONS: parse(config.rate_limit_connections),
        START_SESSION: parse(config.rate_limit_start_session),
        MESSAGES: parse(config.rate_limit_messages),
        TYPING: parse(config.rate_limit_typing),
    }


def check_caller(what: str, caller: Caller) -> None:
    """Count one use by this caller. Raises `RateLimitedError` when there are too many; systems are not limited."""
    if not caller.may_act_for_others:
        _check(what, str(caller))


def check_address(what: str, address: str) -> None:
    """Count one use from this address. Raises `RateLimitedError` when there are too many."""
    _check(what, address)


def _check(what: str, key: str) -> None:
    limiter = _limits.limiter
    if limiter is None:
        return
    item = _limits.items[what]
    try:
        if limiter.hit(item, what, key):
            return
        reset_time = limiter.get_window_stats(item, what, key).reset_time
    except Exception:
        logger.exception("The rate limits cannot be counted; letting the call through")
        return
    raise RateLimitedError(what, max(1, math.ceil(reset_time - time.time())))
