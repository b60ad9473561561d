"""A denial: somebody is not let in, or no longer by the tokens they have."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import BooleanField, DateTimeField, IntField, LongField, ObjectIdField, StringField

from chatsupport.database.clock import now
from chatsupport.documents.base import BaseDocument


class Denial(BaseDocument):
    """One person or address that is denied. What its `id` begins with says how:

    - `revoked:user:u1`: tokens made at or before `before` (milliseconds since the epoch) are worth nothing;
      Of somebody who is erased it is deleted when that is done (`sweep_at`, `features/privacy/erasure.py`);
    - `erased:<digest>`: the same of somebody who is erased, without the id (`services/people/tombstones.py`);
    - `signed-out:<token>`: that one token (a digest of it) is worth nothing;
    - `identified:user:guest-…`: the guest has become the user `identified_as`, and all its tokens are worth nothing.
      `is_carried` says whether everything of the guest's was found to be that user's, `carried` how many sessions.
    - `block:user:u1`, `block:address:192.0.2.1`: nothing is taken from them. `block_id` is what clients call it by.

    One look-up by id answers for all of them.
    """

    id = StringField(primary_key=True)
    before = LongField()
    kept = LongField()
    """When the one token was made that a revocation spares: that of whoever changed the password (milliseconds)."""
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
        # Not deleted by MongoDB, whose clock may be wrong.
        "runs_out": True,
        # An earlier release had MongoDB delete by age, also while its clock was wrong.
        "retired_indexes": ["expiry"],
        "indexes": [
            {"name": "run_out", "fields": ["expires_at", "_id"]},
            # What is new, for those whom the order to close sockets has not reached.
            {"name": "updated", "fields": ["updated_at"]},
            # People who are erased, and are looked for once more.
            {"name": "to_sweep", "fields": ["sweep_at"], "partialFilterExpression": {"sweepAt": {"$exists": True}}},
            # What concerns a person, and the guests that a person was.
            {"name": "by_person", "fields": ["user_id", "user_type"]},
            {
                "name": "identified",
                "fields": ["identified_as"],
                "partialFilterExpression": {"identifiedAs": {"$exists": True}},
            },
            # Guests that have become known, and are looked at once more.
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
