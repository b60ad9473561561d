"""Block people and addresses, and lift blocks. A block is a denial, so the core refuses blocked callers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument

from chatsupport import events
from chatsupport.database.clock import now
from chatsupport.documents import Denial
from chatsupport.events import Blocked, Unblocked
from chatsupport.features.blocks.models import BlockNotFoundError, NewBlock
from chatsupport.identity import Caller
from chatsupport.services.people import denials
from chatsupport.services.shared import access, pages
from chatsupport.services.shared.pages import Cursor, Document


def block(caller: Caller, wanted: NewBlock) -> tuple[Document, bool]:
    """Block a person or an address. If it is already blocked, the block gets the new reason and end.

    Returns the block, and whether it is new. For operators only.
    """
    access.require_operator(caller)
    time = now()
    expires_at = None if wanted.expires_in_seconds is None else time + timedelta(seconds=wanted.expires_in_seconds)
    values = {"reason": wanted.reason, "expiresAt": expires_at}
    collection = Denial.collection()
    denial_id = denials.block_id(wanted.person, wanted.address)
    collection.delete_one({"_id": denial_id, "expiresAt": {"$lte": time}})
    subject = (
        {"address": wanted.address}
        if wanted.person is None
        else {"userId": wanted.person.id, "userType": wanted.person.type}
    )
    new_id = ObjectId()
    stored: Any = collection.find_one_and_update(
        {"_id": denial_id},
        {
            "$set": values,
            "$currentDate": {"updatedAt": True},
            "$setOnInsert": {"blockId": new_id, "createdAt": time, **subject},
        },
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    denials.take_effect(Blocked(caller, stored, wanted.expires_in_seconds))
    return stored, stored["blockId"] == new_id


def unblock(caller: Caller, block_id: ObjectId) -> Document:
    """Lift a block. Raises `BlockNotFoundError`. For operators only."""
    access.require_operator(caller)
    lifted: Document | None = Denial.collection().find_one_and_delete(
        # The index has only ids, and is used if the query hints at it.
        {"blockId": {"$eq": block_id, "$type": "objectId"}}
    )
    if lifted is None or denials.has_run_out(lifted):
        raise BlockNotFoundError
    events.happened(Unblocked(caller, lifted))
    return lifted


def list_page(caller: Caller, limit: int, cursor: Cursor | None) -> tuple[list[Document], str | None]:
    """Return one page of the blocks in force, newest first, and the cursor of the next. For operators only."""
    access.require_operator(caller)
    query = {"blockId": {"$type": "objectId"}, "expiresAt": {"$not": {"$lte": now()}}}
    return pages.read(Denial.collection(), query, limit, cursor, time="createdAt", key="blockId")
