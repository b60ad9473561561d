"""Check that the Redis or Valkey of REDIS_URL can be used, and explain why it refuses."""

from __future__ import annotations

import contextlib
import secrets
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from chatsupport.config import ConfigError

TIMEOUT_SECONDS = 2.0
_CERTIFICATE = (
    "REDIS_URL leads to a server whose certificate is for another name or not signed by a trusted authority: name the "
    "authority by ?ssl_ca_certs=/path/of/ca.pem, or set REDIS_TLS_VERIFY=off if you trust the network (Heroku)"
)
_NO_TLS = "REDIS_URL begins with rediss://, but the server does not speak TLS: use redis://, or another port"


def check(url: str) -> None:
    """Ask Redis for a sign of life. Raises `ConfigError` if only another configuration helps, else RedisError."""
    with _client(url) as client:
        try:
            client.ping()
        except redis.RedisError as error:
            reason = _refusal(error)
            if reason is None:
                raise
            raise ConfigError([reason]) from error


def try_out(url: str) -> tuple[str, float]:
    """Use Redis as servers do: publish, listen and run a script. Changes nothing.

    Returns the version of Redis, and the milliseconds until a published message arrived. Raises as `check` does.
    """
    check(url)
    try:
        with _client(url) as client, client.pubsub() as listener:  # type: ignore[no-untyped-call]
            channel = f"chatsupport:doctor:{secrets.token_hex(8)}"
            listener.subscribe(channel)
            listener.get_message(timeout=TIMEOUT_SECONDS)
            started = time.monotonic()
            client.publish(channel, "heard")
            heard = listener.get_message(timeout=TIMEOUT_SECONDS)
            if heard is None or heard["data"] != b"heard":
                raise redis.TimeoutError("published messages do not arrive")
            taken = (time.monotonic() - started) * 1000
            client.eval("return redis.call('EXISTS', KEYS[1])", 1, channel)
            info = client.info("server")
    except redis.ResponseError as error:
        raise ConfigError(
            [f"REDIS_URL must name a user that may publish, subscribe and run scripts: {error}"]
        ) from error
    return str(info.get("valkey_version") or info.get("redis_version")), taken


def _client(url: str) -> contextlib.closing[redis.Redis]:
    timeouts = {"socket_timeout": TIMEOUT_SECONDS, "socket_connect_timeout": TIMEOUT_SECONDS}
    return contextlib.closing(redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **timeouts))


def _refusal(error: redis.RedisError) -> str | None:
    """Return what to tell the operator if only another configuration helps, else None."""
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text or "certificate verify failed" in text:
        return _CERTIFICATE
    if "WRONG_VERSION_NUMBER" in text or "wrong version number" in text:
        return _NO_TLS
    if isinstance(error, redis.AuthenticationError) or text.startswith(("NOAUTH", "WRONGPASS")):
        return "REDIS_URL has a user name or a password that Redis does not accept, or lacks one that Redis requires"
    if isinstance(error, redis.ResponseError):
        return f"REDIS_URL leads to a server that refuses: {error}"
    return None
