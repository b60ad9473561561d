"""Forgotten passwords: an agent gets a link by mail, and chooses a new password.

The token of a link is signed and names the agent's current email and password (as a digest). So it works once, and any
other change of them ends it. Nothing is stored for it.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Mapping
from datetime import timedelta
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

from bson import ObjectId
from bson.errors import InvalidId
from itsdangerous import BadSignature

from chatsupport.contract.base import refused
from chatsupport.database.clock import now_ms
from chatsupport.documents import Agent
from chatsupport.errors import BlockedError, InvalidInputError, NotFoundError
from chatsupport.features.mail import addresses, jobs, letters, links, texts
from chatsupport.features.mail.letters import CancelledError, Link, Paragraph, Part
from chatsupport.identity import AGENT, Caller
from chatsupport.services.people import agents, denials
from chatsupport.services.shared import rate_limits

Document = dict[str, Any]

KIND = "reset"
LIFETIME = timedelta(minutes=30)
FRAGMENT = "reset"


def request(email: str, address: str) -> None:
    """Mail a link for a new password, if an agent signs in with this email.

    The agent is looked up only when the mail is written, so neither the answer nor its time says whether one exists.
    Raises `RateLimitedError` by address and by email, and `NotFoundError` without a mail server.
    """
    if not jobs.is_offered():
        raise NotFoundError("This server sends no mails (SMTP_URL is not set). A supervisor can set a new password.")
    rate_limits.check_address(rate_limits.RESETS, address)
    rate_limits.check_name(rate_limits.RESETS, email)
    jobs.add(f"{KIND}-{uuid.uuid4().hex}", KIND, email, {}, tried_for=LIFETIME)


def reset(token: str, password: str) -> None:
    """Set an agent's new password, and end all its tokens. Raises `InvalidInputError` with INVALID_RESET_TOKEN."""
    try:
        agent_id, digest, expires_at_ms = addresses.signer(KIND).loads(token)
        which = {"_id": ObjectId(agent_id)}
    except (BadSignature, InvalidId, ValueError, TypeError):
        raise _invalid() from None
    agent: Any = Agent.collection().find_one(which)
    if (
        agent is None
        or not isinstance(expires_at_ms, (int, float))
        or expires_at_ms <= now_ms()
        or not hmac.compare_digest(str(digest), _digest(agent))
    ):
        raise _invalid()
    if not agents.replace_password(agent, password):
        raise _invalid()  # Somebody else was faster.


def _token(agent: Mapping[str, Any], created_at_ms: int) -> str:
    expires_at_ms = created_at_ms + int(LIFETIME.total_seconds() * 1000)
    return str(addresses.signer(KIND).dumps([str(agent["_id"]), _digest(agent), expires_at_ms]))


def _digest(agent: Mapping[str, Any]) -> str:
    known = f"{agent.get('email')} {agent.get('passwordHash')}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(known).hexdigest()[:32]


def _invalid() -> InvalidInputError:
    sentence = "token is not valid any more, or was used. Ask for a new link."
    return refused("token", "INVALID_RESET_TOKEN", sentence)


@jobs.writer(KIND)
def write(job: Mapping[str, Any]) -> EmailMessage:
    """Return the mail. Raises `CancelledError` if no agent with a password has the address, or the agent is blocked."""
    agent: Any = Agent.collection().find_one({"email": job["to"]})
    if agent is None or agent.get("passwordHash") is None:
        raise CancelledError("no agent")
    try:
        denials.check_blocked(Caller(str(agent["_id"]), AGENT), "")
    except BlockedError:
        raise CancelledError("blocked") from None
    language = texts.DEFAULT
    token = _token(agent, int(job["createdAt"].timestamp() * 1000))
    parts: list[Part] = [
        Paragraph(texts.say(language, "reset.intro", site=urlsplit(links.own("")).netloc)),
        Link(texts.say(language, "reset.link"), f"{links.own('console')}#{FRAGMENT}={token}"),
        Paragraph(texts.say(language, "reset.outro")),
    ]
    subject = texts.say(language, "reset.subject")
    return letters.compose(job["_id"], job["to"], subject, letters.body(language, subject, parts))
