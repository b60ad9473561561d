"""Leases in the database: one process at a time does a piece of timed work, and a killed one is replaced."""

from __future__ import annotations

from datetime import timedelta

from pymongo.errors import DuplicateKeyError

from chatsupport.database.clock import now
from chatsupport.documents import Lease


def hold(name: str, owner: str, seconds: float) -> bool:
    """Take the lease for so many seconds, or renew it. False while another owner has it."""
    time = now()
    free_or_mine = {"_id": name, "$or": [{"owner": owner}, {"expiresAt": {"$lte": time}}]}
    lease = {"owner": owner, "expiresAt": time + timedelta(seconds=seconds)}
    try:
        Lease._get_collection().update_one(free_or_mine, {"$set": lease}, upsert=True)
    except DuplicateKeyError:
        return False
    return True


def release(name: str, owner: str) -> None:
    """Give the lease up, if it is still the owner's."""
    Lease._get_collection().delete_one({"_id": name, "owner": owner})
