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

# One pass finds a JWT, the password in a URI, and a value written after a telling name.
_SECRETS = re.compile(
    r"(?P<jwt>eyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?)"
    r"|(?P<uri>\b[a-z][a-z0-9+.-]*://[^\s/@:\"']*:)[^\s@\"']+@"
    r"|(?P<name>(?<![a-z])(?:token|authorization|x-api-key|api[_-]?key|password|secret)[\"']?\s*[:=]\s*[\"']?)"
    r"(?:(?:bearer|basic)\s+)?[^\s\"'&,;}]+",
    re.IGNORECASE,
)


def redact_text(text: str) -> str:
    """Return the text with everything that looks like a secret masked."""
    # Most texts hold none of these, and the three searches cost a tenth of the expression.
    if ":" in text or "=" in text or "eyJ" in text:
        return _SECRETS.sub(_mask, text)
    return text


def redact(key: str, value: object) -> object:
    """Return the value to log under a key, secrets masked at any depth."""
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


def _mask(match: re.Match[str]) -> str:
    if match["jwt"]:
        return MASK
    if match["uri"]:
        return f"{match['uri']}{MASK}@"
    return f"{match['name']}{MASK}"
