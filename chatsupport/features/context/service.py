"""What is told of a visitor: kept with the session, merged bit by bit, and shown to users and staff.

It is stored in the session's own document (`features.context`), by the write that starts the session, or by one update
which holds only if nobody else has changed it meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument

from chatsupport import events, recording, serializers
from chatsupport.contract.base import Model, refused
from chatsupport.contract.chat import Session as ShownSession
from chatsupport.contract.chat import StartSession
from chatsupport.database.clock import now
from chatsupport.documents import Session
from chatsupport.documents.session import OPEN
from chatsupport.errors import DatabaseUnavailableError, SessionEndedError
from chatsupport.events import GuestIdentified, SessionUpdated
from chatsupport.features.context import devices
from chatsupport.features.context.models import CODE, MAX_FIELDS, MAX_PAGES, Page, ShownContext, Told
from chatsupport.identity import USER, Caller
from chatsupport.services.sessions import reading
from chatsupport.services.sessions.starting import Start
from chatsupport.services.shared import access, rate_limits
from chatsupport.session_parts import SessionPart

Document = dict[str, Any]

NAME = "context"
STORED = f"features.{NAME}"

_ATTEMPTS = 20


def of_start(start: Start) -> Document | None:
    """Return the details from a start. The device comes only from the user's own request."""
    caller, person = start.caller, start.wanted.caller
    context = merged({}, start.wanted.more(Told), by_staff=caller.may_act_for_others)
    if not caller.may_act_for_others and (device := devices.of(start.user_agent)) is not None:
        context["device"] = device
    if not person.is_guest and (caller.type != USER or caller.is_vouched):
        context["isVerified"] = True
    return context or None


def update(caller: Caller, session_id: ObjectId, told: Told, user_agent: str = "") -> Document:
    """Merge new details into the stored ones, and return the session as the caller sees it.

    Raises `InvalidInputError` with INVALID_CONTEXT if the result would be invalid, `SessionEndedError`, and the errors
    of `access.find_session`.
    """
    session = access.find_session(caller, session_id)
    rate_limits.check_caller(rate_limits.UPDATES, caller)
    by_staff = access.is_staff(caller, session)
    for _ in range(_ATTEMPTS):
        if session["status"] not in OPEN:
            raise SessionEndedError
        before = _of(session)
        context = merged(before, told, by_staff=by_staff)
        if not by_staff and (device := devices.of(user_agent)) is not None:
            context["device"] = device
        if context == before:
            break
        stored = _store(session, context, access.still_of_bot(caller, session))
        if stored is not None:
            changed = sorted(Told.model_fields.keys() & told.given)
            events.happened(SessionUpdated(stored, caller=caller, changed=changed))
            break
        session = access.find_session(caller, session_id)
    else:
        raise DatabaseUnavailableError  # Others change it again and again.
    return reading.describe(caller, session_id)


def _store(session: Document, context: Document, still: Document) -> Document | None:
    """Store the new details. None if another process was faster, or the session has ended or left the calling bot."""
    version = {f"{STORED}.version": _of(session).get("version")}
    as_read = {"_id": session["_id"], "status": {"$in": list(OPEN)}, **version, **still}
    versioned = {**context, "version": _of(session).get("version", 0) + 1}
    marks = recording.marks(recording.SESSION_UPDATED)
    change = {"$set": {STORED: versioned, "updatedAt": now()}, **recording.pushed(marks)}
    stored: Document | None = Session.collection().find_one_and_update(
        as_read, change, return_document=ReturnDocument.AFTER
    )
    if stored is not None:
        recording.look_after(Session.collection(), session["_id"], recording.SESSION_UPDATED, marks)
    return stored


def verify(event: GuestIdentified) -> None:
    """Note that the site's server vouches for the user that a guest has become."""
    if event.caller.is_vouched:
        theirs = {"$or": [{"userId": event.guest.id}, {"userId": event.caller.id, "guestId": event.guest.id}]}
        change = {"$set": {f"{STORED}.isVerified": True}, "$inc": {f"{STORED}.version": 1}}
        Session.collection().update_many({"userType": USER, **theirs}, change)


def merged(context: Mapping[str, Any], told: Told, *, by_staff: bool, at: datetime | None = None) -> Document:
    """Return the context with these changes: a field that is left out stays, null removes it.

    Raises `InvalidInputError` if a page has no URL, or if there are too many fields.
    """
    new = dict(context)
    for name in ("locale", "timezone"):
        if name in told.given:
            _set(new, name, getattr(told, name))
    if "visitor" in told.given:
        _set(new, "visitor", None if told.visitor is None else _with(context.get("visitor", {}), told.visitor))
    if "page" in told.given:
        _move(new, told.page, at or now())
    if "fields" in told.given:
        _set_fields(new, told.fields, by_staff)
    return new


def _set(document: Document, name: str, value: Any) -> None:
    if value in (None, {}, []):
        document.pop(name, None)
    else:
        document[name] = value


def _with(before: Mapping[str, Any], given: Model) -> Document:
    """Return the old values with the given ones, without those that are null."""
    values = {**before, **{name: getattr(given, name) for name in given.model_fields_set}}
    return {name: value for name, value in values.items() if value is not None}


def _move(context: Document, page: Page | None, at: datetime) -> None:
    """Set the visitor's page, or none. A page with another URL has only the given details."""
    before = context.get("page", {})
    if page is None or ("url" in page.model_fields_set and page.url is None):
        context.pop("page", None)
        return
    url = page.url or before.get("url")
    if url is None:
        raise refused("page.url", CODE, "page.url is required.")
    new = _with(before if url == before.get("url") else {}, page)
    pages = list(context.get("pages", ()))
    if pages and url == before.get("url"):
        pages[-1] = {**new, "at": pages[-1]["at"]}
    else:
        pages.append({**new, "at": at})
    context.update(page=new, pages=pages[-MAX_PAGES:])


def _set_fields(context: Document, given: Mapping[str, Any] | None, by_staff: bool) -> None:
    """Set fields, and note which of them staff have set. Without any, remove those that the caller sees."""
    fields, staffs = dict(context.get("fields", {})), set(context.get("staffFields", ()))
    if given is None:
        given = dict.fromkeys(fields if by_staff else fields.keys() - staffs)
    for key, value in given.items():
        fields[key] = value
        (staffs.add if by_staff else staffs.discard)(key)
    fields = {key: value for key, value in fields.items() if value is not None}
    if len(fields) > MAX_FIELDS:
        raise refused("fields", CODE, f"A session has at most {MAX_FIELDS} fields. Remove one with null.")
    _set(context, "fields", fields)
    _set(context, "staffFields", sorted(staffs & fields.keys()))


def show(session: Mapping[str, Any], for_staff: bool) -> Document:
    """Return the details of the visitor, for staff or for the user."""
    context = _of(session)
    fields, page = context.get("fields", {}), context.get("page")
    staffs = () if for_staff else context.get("staffFields", ())
    shown: Document = {
        "visitor": {name: context.get("visitor", {}).get(name) for name in ("name", "email", "phone")},
        "page": None if page is None else _page(page),
        "locale": context.get("locale"),
        "timezone": context.get("timezone"),
        "fields": {key: value for key, value in fields.items() if key not in staffs},
    }
    if for_staff:
        pages = context.get("pages", ())
        shown.update(
            pages=[{**_page(visited), "at": serializers.iso(visited["at"])} for visited in pages],
            device=context.get("device"),
            isVerified=context.get("isVerified", False),
        )
    return {NAME: shown}


def _page(page: Mapping[str, Any]) -> Document:
    return {name: page.get(name) for name in ("url", "title", "referrer")}


def _of(session: Mapping[str, Any]) -> Document:
    context: Document = session.get("features", {}).get(NAME, {})
    return context


def time_zone(session: Mapping[str, Any]) -> str | None:
    """Return the visitor's time zone, if the session has one."""
    return _of(session).get("timezone")


def texts(session: Mapping[str, Any]) -> list[str]:
    """Return who the visitor says it is, by which staff find the session."""
    return list(_of(session).get("visitor", {}).values())


SESSION_PART = SessionPart(
    fields={StartSession: Told, ShownSession: ShownContext},
    on_start=of_start,
    show=show,
    time_zone=time_zone,
    texts=texts,
)
