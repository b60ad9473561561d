"""The last line of defence against secrets in logs; code should not log them in the first place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

MASK = "***"

_SECRET_KEYS = frozenset(
    """
    token accesstoken jwt authorization apikey xapikey password secret jwtsecret identitysecret userhash cookie
    text body content
    """.split()
)

MAX_CHARACTERS = 16_000
"""The middle of a longer text is left out."""

# Each expression reads a text in one pass: it consumes every character it looks at, whether or not it is in a secret.
_JWT = re.compile(r"(?<![\w.-])([\w.-]*?)eyJ([\w.-]*)")
_URI = re.compile(r"(://[^\s/@:\"']*:)([^\s@\"']*)(@?)")
_NAMED = re.compile(
    r"((?<![a-z])(?:token|authorization|x-api-key|api[_-]?key|password|secret)[\"']?\s*[:=]\s*[\"']?)"
    r"(?:(?:bearer|basic)\s+)?[^\s\"'&,;}]+",
    re.IGNORECASE,
)
_SHORTEST_HEADER = 5


def redact_text(text: str) -> str:
    """Return the text with everything masked that looks like a secret, and without its middle if it is long."""
    if len(text) > MAX_CHARACTERS:
        text = _without_middle(text)
    # Most texts have none of these characters, and looking for one costs a tenth of running an expression.
    if "eyJ" in text:
        text = _JWT.sub(_mask_jwt, text)
    if "://" in text and "@" in text:
        text = _URI.sub(_mask_password, text)
    if ":" in text or "=" in text:
        text = _NAMED.sub(_mask_value, text)
    return text


def _without_middle(text: str) -> str:
    """Cut a text between words: the expressions would not recognize half a secret."""
    half = MAX_CHARACTERS // 2
    start, end = text[:half], text[-half:]
    start = start[: max(start.rfind(" "), start.rfind("\n"))]
    after = [place for place in (end.find(" "), end.find("\n")) if place >= 0]
    end = end[min(after) :] if after else ""
    return f"{start} … ({len(text) - len(start) - len(end)} characters left out) …{end}"


def redact(key: str, value: object) -> object:
    """Return the value to log under a key, with secrets masked at any depth."""
    if is_secret_key(key):
        return MASK
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {str(name): redact(str(name), item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact("", item) for item in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return redact_text(str(value))


@lru_cache(maxsize=1024)
def is_secret_key(key: str) -> bool:
    """Return whether values under this key are never written."""
    return re.sub(r"[-_ ]", "", key).lower() in _SECRET_KEYS


def _mask_jwt(match: re.Match[str]) -> str:
    header, dot, rest = match[2].partition(".")
    if dot and len(header) >= _SHORTEST_HEADER and rest:
        return f"{match[1]}{MASK}"
    return match[0]


def _mask_password(match: re.Match[str]) -> str:
    return f"{match[1]}{MASK}@" if match[2] and match[3] else match[0]


def _mask_value(match: re.Match[str]) -> str:
    return f"{match[1]}{MASK}"
