"""Guests: visitors whose ids the server makes, so that only a guest's own earlier token vouches for it."""

from __future__ import annotations

from chatsupport.contract.base import refused
from chatsupport.errors import AuthenticationError, InvalidInputError, InvalidUserHashError
from chatsupport.identity import RENEWABLE, Caller, bearer_token, caller_from_token
from chatsupport.services.people import denials


def earlier_token(guest: Caller, authorization: str | None, address: str) -> Caller:
    """Return the claims of a guest's earlier token, which may have expired up to `RENEWABLE` ago.

    Raises `ForbiddenError` with INVALID_USER_HASH if the header has no such token, or a refused one;
    `BlockedError`.
    """
    try:
        token = bearer_token(authorization)
        if token is not None and _renews(earlier := caller_from_token(token, RENEWABLE), guest):
            denials.check(earlier, address)
            return earlier
    except AuthenticationError:
        pass  # Answered below: with any fault in the token, the guest needs a new id.
    raise InvalidUserHashError(
        'Ids that begin with guest- are renewed only with their own earlier token. Get a new id with {"guest": true}.'
    )


def _renews(earlier: Caller, guest: Caller) -> bool:
    """Tell whether a token is the guest's own. One from a link, for one session, renews nothing."""
    return earlier == guest and earlier.session_id is None


def of_token(token: str) -> Caller:
    """Return the guest that a token was made for, even if it is denied. Raises `InvalidInputError`."""
    try:
        guest = caller_from_token(token, RENEWABLE)
    except AuthenticationError:
        raise not_a_guest() from None
    if not guest.is_guest or guest.session_id is not None:
        raise not_a_guest()
    return guest


def not_a_guest() -> InvalidInputError:
    """Return the error for a caller whose guestToken is missing or refused."""
    sentence = "guestToken must be a guest's token that is still valid. Continue without it."
    return refused("guestToken", "INVALID_GUEST_TOKEN", sentence)
