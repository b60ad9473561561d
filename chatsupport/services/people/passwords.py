"""Passwords: argon2id, computed outside the greenlets."""

from __future__ import annotations

import functools
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from chatsupport.realtime.native_threads import offload

_HASHER = PasswordHasher(time_cost=1, memory_cost=47_104, parallelism=1)
"""46 MiB, one pass, one thread: as strong as OWASP recommends, and two at once leave a small server enough memory."""


def hash_of(password: str) -> str:
    """Return the stored form of a password."""
    return offload(_HASHER.hash, password)


def matches(stored: str | None, password: str, *, from_stranger: bool = False) -> bool:
    """Tell whether this is the password. If none is stored, return False after the same time."""
    expected = stored or _of_nobody()
    return offload(_verify, expected, password, for_stranger=from_stranger) and stored is not None


def is_outdated(stored: str) -> bool:
    """Tell whether a stored hash was made with other parameters than the current ones."""
    return _HASHER.check_needs_rehash(stored)


def prepare() -> None:
    """Make the hash used when no password is stored, so that the first comparison takes no longer."""
    _of_nobody()


@functools.cache
def _of_nobody() -> str:
    return offload(_HASHER.hash, secrets.token_urlsafe(32))


def _verify(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
