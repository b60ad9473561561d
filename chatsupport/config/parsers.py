"""Functions that turn one environment variable's text into a value.

Each raises ValueError whose text completes the sentence "NAME must be ...". They never repeat the text that was given,
because it may be a secret.
"""

from __future__ import annotations

import ipaddress
import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, TypeVar, overload
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

T = TypeVar("T")
Parser = Callable[[str], T]

_ENVIRONMENTS = {name: name for name in ("development", "production", "testing")} | {"test": "testing"}
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[?[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\]?")
_RATE = re.compile(r"([1-9][0-9]{0,8}) ?/ ?(?:([1-9][0-9]{0,5}) ?)?(second|minute|hour)s?", re.IGNORECASE)
_OWN_PATHS = ("/api", "/console", "/demo", "/mail", "/metrics", "/socket.io", "/unsubscribe", "/web", "/widget.js")
_BASE_PATH = re.compile(
    rf"(?!(?:{'|'.join(map(re.escape, _OWN_PATHS))})(?:/|$))(?:/(?!\.{{1,2}}(?:/|$))[A-Za-z0-9._~-]+)+"
)
_DATABASES_OF_MONGODB = ("admin", "config", "local")
_REDIS_SCHEMES = {"redis": "redis", "valkey": "redis", "rediss": "rediss", "valkeys": "rediss"}
_REDIS_TLS_OPTIONS = ("ssl_cert_reqs", "ssl_check_hostname", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
PUBLISHED_SECRETS = {
    "replace-this-with-the-output-of-openssl-rand-hex-32",
    # From the Node.js system.
    "your-super-secret-jwt-key-change-this-in-production",
    "your-api-key-here",
}
"""Placeholders for a secret in documentation, which people forget to replace."""
LEAST_DIFFERENT = 6
"""One in 30 000 random secrets of 16 hex digits has fewer different digits than this."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


def environment(text: str) -> str:
    """Return development, production or testing."""
    try:
        return _ENVIRONMENTS[text.lower()]
    except KeyError:
        raise ValueError("development, production or testing") from None


def integer(low: int, high: int, what: str = "a whole number") -> Parser[int]:
    """Return a parser of whole numbers from `low` to `high`."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not low <= int(text) <= high:
            raise ValueError(f"{what} from {low} to {high}")
        return int(text)

    return parse


@overload
def seconds(low: float, high: float) -> Parser[float]: ...


@overload
def seconds(low: float, high: float, *, off: Literal[True]) -> Parser[float | None]: ...


def seconds(low: float, high: float, *, off: bool = False) -> Parser[float] | Parser[float | None]:
    """Return a parser of a number of seconds between two bounds. With `off`, "off" is accepted too and becomes None."""

    def parse(text: str) -> float | None:
        if off and text.lower() in ("off", "0"):
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise ValueError(f"a number of seconds from {low:g} to {high:g}" + (', or "off"' if off else ""))
        return value

    return parse


def days(low: int, high: int) -> Parser[int | None]:
    """Return a parser of a whole number of days between two bounds, or of "off", which becomes None."""
    number = integer(low, high)

    def parse(text: str) -> int | None:
        if text.lower() in ("off", "0"):
            return None
        try:
            return number(text)
        except ValueError:
            raise ValueError(f'a number of days from {low} to {high}, or "off"') from None

    return parse


def boolean(text: str) -> bool:
    """Return True for on and False for off, in any of their spellings."""
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError("1 or 0 (also on, off, true, false, yes, no)")


def one_of(*values: str) -> Parser[str]:
    """Return a parser that accepts only these words, in capital or small letters."""

    def parse(text: str) -> str:
        if text.lower() not in values:
            raise ValueError(" or ".join(values))
        return text.lower()

    return parse


def host(text: str) -> str:
    """Return an address or host name to listen on, IPv6 without its brackets."""
    if not _HOST.fullmatch(text):
        raise ValueError("an IP address or a host name to listen on, such as 127.0.0.1 or 0.0.0.0")
    return text.strip("[]")


def log_level(text: str) -> str:
    """Return one of Python's standard level names."""
    if text.upper() not in _LEVELS:
        raise ValueError(", ".join(_LEVELS[:-1]) + f" or {_LEVELS[-1]}")
    return text.upper()


def directory(text: str) -> Path:
    """Return the absolute path of a directory, which need not exist yet."""
    if "\0" in text:
        raise ValueError("the path of a directory")
    return Path(os.path.abspath(os.path.expanduser(text)))


def comma_list(item: Parser[T]) -> Parser[tuple[T, ...]]:
    """Return a parser of comma-separated items, each parsed by `item`; repeats are dropped."""

    def parse(text: str) -> tuple[T, ...]:
        return tuple(dict.fromkeys(item(part.strip()) for part in text.split(",") if part.strip()))

    return parse


def origin(*, wildcard: bool) -> Parser[str]:
    """Return a parser of exact web origins as a browser sends them, and of `*` if `wildcard` is true."""
    wanted = "exact origins, separated by commas, such as https://shop.example.com (scheme, host, port; no path)"

    def parse(text: str) -> str:
        if text == "*":
            if wildcard:
                return text
            raise ValueError(f"{wanted}; * is not allowed in production")
        try:
            parts = urlsplit(text.rstrip("/"))
            port = parts.port
        except ValueError:
            raise ValueError(wanted) from None
        name = parts.hostname or ""
        if ":" in name:
            name = _plain_address(name) or ""
        extras = parts.path or parts.query or parts.fragment or "@" in parts.netloc
        if parts.scheme not in _DEFAULT_PORTS or not _HOST.fullmatch(name) or extras:
            raise ValueError(wanted)
        # Browsers leave the default port out of the Origin header, so an origin with it would never match.
        suffix = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
        return f"{parts.scheme}://{f'[{name}]' if ':' in name else name}{suffix}"

    return parse


def _plain_address(text: str) -> str | None:
    """Return an IPv6 address in the spelling that browsers send, or None if the text is not an IPv6 address."""
    try:
        return ipaddress.IPv6Address(text).compressed
    except ValueError:
        return None


def public_url(text: str) -> str:
    """Return the address at which others reach the server, without a slash at its end."""
    wanted = "the address of this server as others see it, such as https://chat.example.com or https://example.com/chat"
    scheme, _, rest = text.rstrip("/").partition("://")
    host, slash, path = rest.partition("/")
    try:
        return origin(wildcard=False)(f"{scheme.lower()}://{host.lower()}") + _path(slash + path)
    except ValueError:
        raise ValueError(wanted) from None


def base_path(public_url: str | None) -> Parser[str]:
    """Return a parser of the path under which the server is mounted: that of PUBLIC_URL, if it is set."""

    def parse(text: str) -> str:
        try:
            path = _path(text.rstrip("/"))
        except ValueError:
            names = ", ".join(_OWN_PATHS)
            raise ValueError(f"a path such as /chat that does not begin with a path of the server ({names})") from None
        if public_url is not None and path_of(public_url) != path:
            raise ValueError("the path at the end of PUBLIC_URL, or empty")
        return path

    return parse


def path_of(url: str | None) -> str:
    """Return the path in the value of PUBLIC_URL."""
    _, slash, path = (url or "").partition("://")[2].partition("/")
    return slash + path


def _path(text: str) -> str:
    if text and not _BASE_PATH.fullmatch(text):
        raise ValueError
    return text


def web_url(text: str) -> str:
    """Return a URL that browsers can load. Characters that could end an attribute or a header are refused."""
    if not re.fullmatch(r"https?://[A-Za-z0-9.\-]+(:[0-9]{1,5})?/[A-Za-z0-9._~!$*+/@%=&?-]*", text):
        raise ValueError("the URL of an ES module, such as https://cdn.example.com/socket.io.esm.min.js")
    return text


def api_key(*, min_length: int, several: bool = True) -> Parser[str]:
    """Return a parser of keys that fit into an HTTP header; `several` says that it parses the items of a list.

    If `min_length` is above 1, keys that can be guessed are refused too.
    """

    def parse(text: str) -> str:
        is_weak = min_length > 1 and is_guessable(text)
        if len(text) < min_length or is_weak or not re.fullmatch(r"[!-~]+", text):
            what, end = ("keys", ", separated by commas") if several else ("one key", "")
            what = f"{what} of at least {min_length} printable ASCII characters{end}"
            raise ValueError(what + (", such as the output of: openssl rand -hex 24" if is_weak else ""))
        return text

    return parse


def secret(*, min_bytes: int) -> Parser[str]:
    """Return a parser of signing secrets that refuses short ones and those that can be guessed."""

    def parse(text: str) -> str:
        if len(text.encode()) < min_bytes or is_guessable(text):
            raise ValueError(
                f"a random secret of at least {min_bytes} bytes, not one from an example and not a repeated pattern, "
                "such as the output of: openssl rand -hex 32"
            )
        return text

    return parse


def is_guessable(secret_text: str) -> bool:
    """Tell whether a secret contains a published example, has few different characters, or repeats a short pattern."""
    has_few = len(set(secret_text)) < LEAST_DIFFERENT
    repeats = any(secret_text[period:] == secret_text[:-period] for period in range(1, min(16, len(secret_text))))
    is_published = any(example in secret_text.lower() for example in PUBLISHED_SECRETS)
    return is_published or has_few or repeats


def mongodb_uri(text: str) -> str:
    """Return a MongoDB connection string. The driver checks everything after the scheme."""
    if not re.match(r"mongodb(\+srv)?://.", text):
        raise ValueError("a connection string that starts with mongodb:// or mongodb+srv://")
    return text


def database_in(uri: str | None) -> str | None:
    """Return the database that a connection string names, or None.

    A database of MongoDB's own does not count: it is named because the user is defined there.
    """
    match = re.match(r"mongodb(?:\+srv)?://[^/?]+/([^/?.]+)", uri or "")
    name = unquote(match[1]) if match else None
    return None if name in _DATABASES_OF_MONGODB else name


def mongodb_name(text: str) -> str:
    """Return a database name that MongoDB accepts on every platform."""
    if not re.fullmatch(r"[^/\\. \"$*<>:|?\0]+", text) or len(text.encode()) > 63 or text in _DATABASES_OF_MONGODB:
        raise ValueError('the name of your own database (not admin), at most 63 bytes, without spaces and /\\."$*<>:|?')
    return text


def redis_url(*, verify: bool) -> Parser[str]:
    """Return a parser of redis:// and rediss:// URLs, or the same with Valkey's schemes.

    Without `verify`, any certificate is accepted. Only options of TLS are allowed: the server relies on its own
    time-outs, encodings and protocol, and the client would let those of the URL win.
    """

    def parse(text: str) -> str:
        try:
            parts = urlsplit(text)
            options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
            is_good = parts.scheme in _REDIS_SCHEMES and parts.hostname and parts.port != 0 and not parts.fragment
        except ValueError:
            is_good = False
        if not is_good or not re.fullmatch(r"/?|/[0-9]{1,9}", parts.path) or re.search(r"\s", text):
            raise ValueError(
                "a URL such as redis://:password@host:6379/0, also with rediss://, valkey:// or valkeys://; in the "
                "password, write / ? # [ ] @ % as %2F %3F %23 %5B %5D %40 %25"
            )
        scheme = _REDIS_SCHEMES[parts.scheme]
        _check_redis_options(options, is_encrypted=scheme == "rediss")
        if scheme == "rediss" and not verify:
            options |= {"ssl_cert_reqs": "none", "ssl_check_hostname": "false"}
        return urlunsplit((scheme, parts.netloc, parts.path, urlencode(options), ""))

    return parse


def _check_redis_options(options: Mapping[str, str], *, is_encrypted: bool) -> None:
    if options.keys() - (_REDIS_TLS_OPTIONS if is_encrypted else ()):
        raise ValueError(f"a URL with no options except {', '.join(_REDIS_TLS_OPTIONS)}, and these only with rediss://")
    if options.get("ssl_cert_reqs", "none") not in ("none", "optional", "required"):
        raise ValueError("a URL whose ssl_cert_reqs is none, optional or required (or set REDIS_TLS_VERIFY=off)")
    for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"):
        if name in options and not os.access(options[name], os.R_OK):
            raise ValueError(f"a URL whose {name} is the path of a readable file")


def rate(text: str) -> str:
    """Return a rate as the `limits` library reads it, such as 30/minute or 20/10 seconds."""
    match = _RATE.fullmatch(text)
    if not match:
        raise ValueError("a rate such as 30/minute, 5/second or 20/10 seconds")
    count, multiple, unit = match[1], match[2] or "1", match[3].lower()
    return f"{count}/{unit}" if multiple == "1" else f"{count}/{multiple} {unit}s"


def agent_name(text: str) -> str:
    """Return an agent's name of 1 to 100 characters."""
    if not 1 <= len(text) <= 100 or not text.isprintable():
        raise ValueError("agents' names of at most 100 characters, separated by commas")
    return text
