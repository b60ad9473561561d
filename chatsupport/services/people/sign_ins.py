"""Agents sign in with email and password."""

from __future__ import annotations

import hashlib
import hmac
import logging
from typing import Any

from chatsupport import addresses, events, identity
from chatsupport.contract.people import SignIn
from chatsupport.documents import Agent
from chatsupport.documents.agent import BOT, BY_NAME
from chatsupport.errors import AuthenticationError, BlockedError, CredentialsError, ForbiddenError
from chatsupport.events import SignedIn, SignInFailed
from chatsupport.extensions import settings
from chatsupport.identity import AGENT, Caller
from chatsupport.services.people import denials, passwords
from chatsupport.services.shared import rate_limits

logger = logging.getLogger(__name__)

Document = dict[str, Any]

_ATTEMPTS = 3
MAX_OPTIONS = 100
MAX_REMEMBERED = 20
"""The number of addresses remembered from which an agent has signed in; the latest ones are kept."""


def sign_in(wanted: SignIn, address: str) -> tuple[str, Document]:
    """Return a token for `SIGN_IN_LIFETIME`, and the agent.

    An agent that has signed in from this address before is counted apart from strangers who try its email, and does
    not wait for them. Raises `RateLimitedError` by address and by email, before anything is computed; `BlockedError`;
    and `CredentialsError`, after the same time whether or not there is such an agent, with or without a password.
    """
    rate_limits.check_address(rate_limits.LOGINS_FROM, address)
    agent, mark = _find(wanted.email), _mark_of(address)
    is_known = agent is not None and mark in agent.get("signedInFrom", ())
    rate_limits.check_name(rate_limits.LOGINS, f"{wanted.email} {mark}" if is_known else wanted.email)
    passwords.prepare()
    for _ in range(_ATTEMPTS):
        stored: str | None = None if agent is None else agent.get("passwordHash")
        is_right = passwords.matches(stored, wanted.password, from_stranger=not is_known)
        if not is_right or agent is None or stored is None:
            raise _failed(agent, address)
        person = Caller(str(agent["_id"]), AGENT)
        try:
            denials.check_blocked(person, address)
        except BlockedError:
            events.happened(SignInFailed(agent["_id"], address, "blocked"))
            raise
        stored = _renewed(agent, stored, wanted.password)
        token = identity.issue_token(person.id, AGENT, identity.SIGN_IN_LIFETIME)
        # A change of the password stores the new one, and then ends all tokens made so far. So if the password is
        # still the same after the token was made, the sign-in is right, or the change ends this token too.
        now_there = _find(wanted.email)
        if now_there is not None and (now_there["_id"], now_there.get("passwordHash")) == (agent["_id"], stored):
            if not is_known:
                _remember(agent, mark)
            events.happened(SignedIn(person, address))
            logger.info("An agent signed in", extra={"event": "sign_in", "agent_id": person.id})
            return token, now_there
        agent = now_there
    raise CredentialsError


def check_current(caller: Caller, agent: Document, current: str | None) -> None:
    """Check that an agent who wants another password or email knows its current password.

    Raises `ForbiddenError` if none is given or there is none, `CredentialsError` if it is wrong, `RateLimitedError`.
    """
    if current is None or agent.get("passwordHash") is None:
        raise ForbiddenError(
            "Send currentPassword to change your own password or email. A supervisor sets the first password."
        )
    rate_limits.check_name(rate_limits.LOGINS, str(caller))
    if not passwords.matches(agent["passwordHash"], current):
        raise CredentialsError


def options(*, is_on_this_machine: bool) -> Document:
    """Return whether agents need no password (in development), and then the agents to choose from."""
    if not are_free(is_on_this_machine):
        return {"development": False, "agents": []}
    agents = Agent.objects(kind__ne=BOT).only("name").order_by(*BY_NAME).limit(MAX_OPTIONS).as_pymongo()
    return {"development": True, "agents": [{"id": str(agent["_id"]), "name": agent["name"]} for agent in agents]}


def are_free(is_on_this_machine: bool) -> bool:
    """Tell whether tokens for agents need no key: in development without API_KEY, on the machine itself."""
    return is_on_this_machine and settings.config.app_env == "development" and not settings.config.api_keys


def _find(email: str) -> Document | None:
    agent: Document | None = Agent.collection().find_one({"email": email})
    return agent


def _mark_of(address: str) -> str:
    """Return a digest of an address from which an agent has signed in, which is stored instead of the address."""
    key = settings.config.jwt_secret.encode()
    return hmac.new(key, addresses.counted(address).encode(), hashlib.sha256).hexdigest()[:32]


def _remember(agent: Document, mark: str) -> None:
    marks = {"$each": [mark], "$slice": -MAX_REMEMBERED}
    unknown = {"_id": agent["_id"], "signedInFrom": {"$ne": mark}}
    Agent.collection().update_one(unknown, {"$push": {"signedInFrom": marks}})


def _failed(agent: Document | None, address: str) -> AuthenticationError:
    """Log a failed sign-in. The input is not kept: it may be a password in the wrong field."""
    agent_id = None if agent is None else agent["_id"]
    events.happened(SignInFailed(agent_id, address))
    logger.info("A sign-in failed", extra={"event": "sign_in_failed", "agent_id": str(agent_id), "address": address})
    return CredentialsError()


def _renewed(agent: Document, stored: str, password: str) -> str:
    """Return the stored hash, computed again if today's parameters differ."""
    if not passwords.is_outdated(stored):
        return stored
    renewed = passwords.hash_of(password)
    unchanged = {"_id": agent["_id"], "passwordHash": stored}
    changed = Agent.collection().update_one(unchanged, {"$set": {"passwordHash": renewed}})
    return renewed if changed.modified_count else stored
