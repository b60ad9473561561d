"""Mails to visitors who have left the chat, and the pages to which their links lead."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, request
from flask.blueprints import BlueprintSetupState
from werkzeug.wrappers import Response

from chatsupport.blueprints.requests import caller
from chatsupport.blueprints.routing import ANYBODY, MEMBERS, route
from chatsupport.blueprints.web import page
from chatsupport.contract.calls import File, Says
from chatsupport.contract.fields import SessionId
from chatsupport.contract.people import Nothing
from chatsupport.errors import DatabaseUnavailableError, InvalidTokenError, NotFoundError, RateLimitedError
from chatsupport.features.mail import addresses, jobs, links, passwords, transcripts
from chatsupport.features.mail.models import (
    ForgottenPassword,
    MailedTranscript,
    Offer,
    PasswordReset,
    TranscriptMail,
    Unsubscription,
)

blueprint = Blueprint("mail", __name__)

Json = dict[str, Any]


@blueprint.record
def _begin(state: BlueprintSetupState) -> None:
    if isinstance(state.app, Flask):
        links.begin(state.app)


@route(blueprint.get("/api/mail"), answers={200: Says("Mail", Offer)}, access=ANYBODY)
def get_mail_offer() -> Json:
    """See whether the server sends mails."""
    return {"isOffered": jobs.is_offered()}


@route(blueprint.get("/mail"), answers={200: File("The page", ("text/html",))}, access=ANYBODY)
def get_mail_page() -> Response:
    """Get the page to which a link in a mail leads if the page of the chat is unknown: it has the chat bubble."""
    return page("mail")


@route(blueprint.get("/unsubscribe"), answers={200: File("The page", ("text/html",))}, access=ANYBODY)
def get_unsubscribe_page() -> Response:
    """Get the page on which the owner of an address ends the mails to it."""
    return page("unsubscribe")


@route(
    blueprint.post("/api/mail/unsubscribe"),
    body=Unsubscription,
    answers={200: Says("Unsubscribed", Nothing)},
    errors=[InvalidTokenError, DatabaseUnavailableError],
    access=ANYBODY,
)
def unsubscribe(wanted: Unsubscription) -> Json:
    """Send no more mails to an address, except those that staff send.

    The token is in each mail about unread messages, and does not expire.
    """
    addresses.unsubscribe(wanted.token)
    return {}


@route(
    blueprint.post("/api/mail/unsubscribe/one-click"),
    query=Unsubscription,
    answers={200: Says("Unsubscribed", Nothing)},
    errors=[InvalidTokenError, DatabaseUnavailableError],
    access=ANYBODY,
)
def unsubscribe_by_one_click(wanted: Unsubscription) -> Json:
    """Send no more mails to an address, like POST /api/mail/unsubscribe.

    Mail programs call it, because it is in the header `List-Unsubscribe` (RFC 8058). The body does not matter.
    """
    addresses.unsubscribe(wanted.token)
    return {}


@route(
    blueprint.post("/api/chat/transcript/<session_id>/mail"),
    body=TranscriptMail,
    answers={202: Says("Transcript will be mailed", MailedTranscript)},
    errors=[NotFoundError, RateLimitedError],
    access=MEMBERS,
)
def mail_transcript(session_id: SessionId, wanted: TranscriptMail) -> Json:
    """Send a session's transcript by mail.

    Users get it only at their own `visitor.email`; staff send it to any address. 5 for a session.
    """
    return transcripts.request(caller(), session_id, wanted.email)


@route(
    blueprint.post("/api/auth/forgot-password"),
    body=ForgottenPassword,
    answers={202: Says("If an agent has this email, a link is on its way", Nothing)},
    errors=[NotFoundError, RateLimitedError, DatabaseUnavailableError],
    access=ANYBODY,
)
def forgot_password(forgotten: ForgottenPassword) -> Json:
    """Mail an agent a link for a new password.

    The answer is the same whether or not there is such an agent. 5 an hour from one address, and for one email.
    """
    passwords.request(forgotten.email, request.remote_addr or "")
    return {}


@route(
    blueprint.post("/api/auth/reset-password"),
    body=PasswordReset,
    answers={200: Says("Password changed", Nothing)},
    errors=[RateLimitedError, DatabaseUnavailableError],
    access=ANYBODY,
)
def reset_password(new: PasswordReset) -> Json:
    """Set an agent's new password with the token of a mail.

    The token is valid for 30 minutes and works once. All tokens of the agent end.
    """
    passwords.reset(new.token, new.password)
    return {}
