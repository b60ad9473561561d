"""Canned replies. Agents read them; supervisors and systems write them."""

from __future__ import annotations

from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from chatsupport import events, serializers
from chatsupport.database.clock import now
from chatsupport.events import Administered
from chatsupport.features.replies.documents import Reply
from chatsupport.features.replies.models import (
    NewReply,
    ReplyChanges,
    ReplyNotFoundError,
    ReplyPage,
    ShortcutTakenError,
)
from chatsupport.identity import Caller
from chatsupport.services.shared import access

Document = dict[str, Any]

CREATED, CHANGED, DELETED = ACTIONS = ("reply_created", "reply_changed", "reply_deleted")


def list_page(caller: Caller, wanted: ReplyPage) -> Document:
    """Return one page of the replies, sorted by shortcut, and the cursor of the next: the last shortcut. For agents who
    are people, and operators.
    """
    access.require_agent(caller)
    access.refuse_bots(caller)
    after = {} if wanted.cursor is None else {"shortcut": {"$gt": wanted.cursor}}
    rows = list(Reply.collection().find(after, sort=[("shortcut", 1)], limit=wanted.limit + 1))
    page, more = rows[: wanted.limit], len(rows) > wanted.limit
    return serializers.page("replies", [_serialize(row) for row in page], page[-1]["shortcut"] if more else None)


def create(caller: Caller, new: NewReply) -> Document:
    """Store a reply. Raises `ShortcutTakenError`. For supervisors and operators."""
    access.require_manager(caller)
    time = now()
    reply = {
        "_id": ObjectId(),
        "shortcut": new.shortcut,
        "title": new.title,
        "text": new.text,
        "createdAt": time,
        "updatedAt": time,
    }
    try:
        Reply.collection().insert_one(reply)
    except DuplicateKeyError:
        raise ShortcutTakenError from None
    return _done(CREATED, caller, reply)


def change(caller: Caller, reply_id: ObjectId, changes: ReplyChanges) -> Document:
    """Change the given fields of a reply. Raises `ReplyNotFoundError` or `ShortcutTakenError`. For supervisors and
    operators.
    """
    access.require_manager(caller)
    values = {**changes.model_dump(include=changes.given), "updatedAt": now()}
    try:
        reply = Reply.collection().find_one_and_update(
            {"_id": reply_id}, {"$set": values}, return_document=ReturnDocument.AFTER
        )
    except DuplicateKeyError:
        raise ShortcutTakenError from None
    return _done(CHANGED, caller, reply)


def delete(caller: Caller, reply_id: ObjectId) -> Document:
    """Delete a reply and return it. Raises `ReplyNotFoundError`. For supervisors and operators."""
    access.require_manager(caller)
    return _done(DELETED, caller, Reply.collection().find_one_and_delete({"_id": reply_id}))


def _done(action: str, caller: Caller, reply: Document | None) -> Document:
    if reply is None:
        raise ReplyNotFoundError
    events.happened(Administered(caller, action, {"reply_id": str(reply["_id"]), "shortcut": reply["shortcut"]}))
    return _serialize(reply)


def _serialize(reply: Document) -> Document:
    return {
        "id": str(reply["_id"]),
        "shortcut": reply["shortcut"],
        "title": reply["title"],
        "text": reply["text"],
        "createdAt": serializers.iso(reply["createdAt"]),
        "updatedAt": serializers.iso(reply["updatedAt"]),
    }
