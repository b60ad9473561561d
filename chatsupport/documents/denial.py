"""A denial: a person or an address is kept out, or tokens are no longer valid."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import BooleanField, DateTimeField, IntField, LongField, ObjectIdField, StringField

from chatsupport.database.clock import now
from chatsupport.documents.base import BaseDocument


class Denial(BaseDocument):
    """One denied person or address. The beginning of its `id` says how:

    - `revoked:user:u1`: tokens made at or before `before` (milliseconds since the epoch) are invalid.
      For an erased person, it is deleted when the erasure is complete (`sweep_at`, `features/privacy/erasure.py`).
    - `erased:<digest>`: the same for an erased person, without the id (`services/people/tombstones.py`).
    - `signed-out:<token>`: this one token (stored as a digest) is invalid.
    - `identified:user:guest-…`: the guest has become the user `identified_as`, and all tokens of the guest are invalid.
      `is_carried` says whether all data of the guest now belongs to the user, `carried` how many sessions did so.
    - `block:user:u1`, `block:address:192.0.2.1`: they are blocked. `block_id` is the block's id for clients.

    One look-up finds all denials of a caller.
    """

    id = StringField(primary_key=True)
    before = LongField()
    kept = LongField()
    """When the one token was made that stays valid: that of the caller who changed the password (milliseconds)."""
    erased_at = DateTimeField(db_field="erasedAt")
    erased_before = LongField(db_field="erasedBefore")
    sweep_at = DateTimeField(db_field="sweepAt")
    token_id = StringField(db_field="tokenId")
    identified_as = StringField(db_field="identifiedAs")
    is_carried = BooleanField(db_field="isCarried")
    carried = IntField()
    block_id = ObjectIdField(db_field="blockId")
    user_id = StringField(db_field="userId")
    user_type = StringField(db_field="userType")
    address = StringField()
    reason = StringField(max_length=200)
    created_at = DateTimeField(db_field="createdAt", required=True, default=now)
    updated_at = DateTimeField(db_field="updatedAt", required=True, default=now)
    expires_at = DateTimeField(db_field="expiresAt")

    meta: ClassVar[dict[str, Any]] = {
        "collection": "denials",
        # MongoDB does not delete these by age, because its clock may be wrong.
        "runs_out": True,
        # An earlier release had MongoDB delete by age, even while its clock was wrong.
        "retired_indexes": ["expiry"],
        "indexes": [
            {"name": "run_out", "fields": ["expires_at", "_id"]},
            # Finds new denials, for processes that the order to close sockets has not reached.
            {"name": "updated", "fields": ["updated_at"]},
            # Erased people, whose data is searched for once more.
            {"name": "to_sweep", "fields": ["sweep_at"], "partialFilterExpression": {"sweepAt": {"$exists": True}}},
            # The denials of a person, and the guests that a person was.
            {"name": "by_person", "fields": ["user_id", "user_type"]},
            {
                "name": "identified",
                "fields": ["identified_as"],
                "partialFilterExpression": {"identifiedAs": {"$exists": True}},
            },
            # Identified guests, whose sessions are searched for once more.
            {"name": "to_carry", "fields": ["created_at"], "partialFilterExpression": {"isCarried": False}},
            {
                "name": "block_id",
                "fields": ["block_id"],
                "unique": True,
                "partialFilterExpression": {"blockId": {"$type": "objectId"}},
            },
            {
                "name": "newest_blocks",
                "fields": ["-created_at", "-block_id"],
                "partialFilterExpression": {"blockId": {"$type": "objectId"}},
            },
        ],
    }
