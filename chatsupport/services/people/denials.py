"""Denials of access: revoked and signed-out tokens, guests that have become users, blocked people and addresses.

Every REST request and every connect costs one look-up here. Open sockets are never looked up: whoever denies somebody
has the sockets there are closed, in every process.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from chatsupport import addresses, events, orders
from chatsupport.contract.blocks import NewBlock
from chatsupport.database.clock import elapsed, now, now_ms
from chatsupport.documents import Denial
from chatsupport.errors import (
    BlockedError,
    BlockNotFoundError,
    ChatSupportError,
    ForbiddenError,
    InvalidTokenError,
)
from chatsupport.events import AccessDenied, Blocked, GuestIdentified, SignedOut, TokensRevoked, Unblocked
from chatsupport.extensions import socketio
from chatsupport.identity import AGENT, RENEWABLE, TOKEN_LIFETIME, USER, Caller
from chatsupport.orders import BLOCKED, REVOKED, CloseAddress, CloseSockets
from chatsupport.services.people import tombstones
from chatsupport.services.shared import access, pages
from chatsupport.services.shared.look_ups import SharedLookUps
from chatsupport.services.shared.pages import Cursor, Document

ENFORCE_SECONDS = 1.0
RECENT_SECONDS = 600
"""When a process starts, it enforces the denials of this many seconds."""
LATE_SECONDS = 60
"""More than the longest time by which a denial may appear late."""

AGREEMENT_MS = 20
"""Two processes' measurements of the database's time differ by less."""

_enforced_at = -math.inf
REFUSALS_KEPT = TOKEN_LIFETIME + RENEWABLE + timedelta(days=1)
"""For how long the refusal of tokens is kept: until the last of them has run out and renews nothing any more."""


def check(caller: Caller, address: str) -> None:
    """Raise `BlockedError`, or `AuthenticationError` if the caller's token is refused. One look-up.

    An API key is never denied: it is what lifts a block.
    """
    if caller.issued_at_ms is not None and identified_as(caller, address) is not None:
        raise revoked()


def identified_as(caller: Caller, address: str) -> str | None:
    """Return the user that a guest has become, None of anybody else. Raises what else `check` raises."""
    known_as: str | None = None
    issued_at_ms = caller.issued_at_ms or 0
    denials = _in_force(caller, address)
    if any(denial["_id"].startswith("block:") for denial in denials):
        raise BlockedError
    for denial in denials:
        if "identifiedAs" in denial:
            known_as = denial["identifiedAs"]
        elif "before" not in denial or denial["before"] >= issued_at_ms != denial.get("kept"):
            raise revoked()
    return known_as


def check_blocked(person: Caller, address: str) -> None:
    """Raise `BlockedError` if the person or the address is blocked."""
    if any(denial["_id"].startswith("block:") for denial in _in_force(person, address)):
        raise BlockedError


def revoked() -> ChatSupportError:
    """Return the error for a caller whose token is revoked."""
    return InvalidTokenError("This token was revoked. Get a new one with POST /api/auth/token.")


def revoke(caller: Caller, person: Caller) -> int:
    """End all tokens of a person that there are now, and close its sockets. Returns up to when, in milliseconds.

    For operators only.
    """
    access.require_operator(caller)
    return end_tokens(caller, person)


def end_tokens(caller: Caller, person: Caller, keep: Caller | None = None) -> int:
    """Do what `revoke` does, for a service that has checked the caller. Of `keep` its one token stays good.

    One that was revoked meanwhile is not kept, and one that does not say when it was made neither.
    """
    before = now_ms() + AGREEMENT_MS
    time = now()
    kept = keep.issued_at_ms if keep is not None and keep.issued_at_ms else None
    still_good = {"$or": [{"$gt": [kept, {"$ifNull": ["$before", 0]}]}, {"$eq": [kept, "$kept"]}]}
    denial: Any = Denial.collection().find_one_and_update(
        {"_id": f"revoked:{person}"},
        [
            {
                "$set": {
                    "kept": "$$REMOVE" if kept is None else {"$cond": [still_good, kept, "$$REMOVE"]},
                    "before": {"$max": ["$before", before]},
                    # After this, the tokens have expired.
                    "expiresAt": time + REFUSALS_KEPT,
                    "updatedAt": time,
                    "userId": {"$literal": person.id},
                    "userType": person.type,
                    "createdAt": {"$ifNull": ["$createdAt", time]},
                }
            }
        ],
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    events.happened(TokensRevoked(caller, denial, person))
    # A token that any process issues after the answer is later than this.
    socketio.sleep(2 * AGREEMENT_MS / 1000)
    return before


def bury(caller: Caller, person: Caller, sweep_after: timedelta) -> datetime:
    """End a person's tokens for good, and note that it is erased: for long by its tombstone, and by its id until those
    who erase have looked for it again (`sweepAt`). Returns when that was.
    """
    before, time = revoke(caller, person), now()
    _write_tombstone(person, before)
    Denial.collection().update_one(
        {"_id": f"revoked:{person}"},
        {"$set": {"erasedAt": time, "erasedBefore": before, "sweepAt": time + sweep_after}},
    )
    return time


def _write_tombstone(person: Caller, before: int) -> None:
    time = now()
    Denial.collection().update_one(
        {"_id": tombstones.id_of(person)},
        {
            "$max": {"before": before},
            "$set": {"updatedAt": time, "expiresAt": time + REFUSALS_KEPT},
            "$setOnInsert": {"createdAt": time},
        },
        upsert=True,
    )


def unname(person: Caller) -> None:
    """Take somebody with a tombstone out of the denials, but for the revocation beside it and for the block that still
    keeps the person out.
    """
    collection = Denial.collection()
    collection.delete_many({"tokenId": {"$exists": True}, "userId": person.id, "userType": person.type})
    collection.update_one({"_id": _block_id(person, None)}, {"$unset": {"reason": ""}})
    collection.delete_one({"_id": _identified_id(person)})


def guests_of(person: Caller) -> list[Caller]:
    """Return the guests that the person was."""
    if person.type != USER:
        return []
    was = Denial.collection().find({"identifiedAs": person.id}, {"userId": 1, "userType": 1})
    return [Caller(row["userId"], row["userType"]) for row in was]


def forget_buried(denial: Document) -> None:
    """Forget the id of somebody who is erased, unless its tokens were revoked once more since, and those of the guests
    that it was, who get tombstones of their own.
    """
    for guest in guests_of(Caller(denial["userId"], denial["userType"])):
        _write_tombstone(guest, now_ms())
        unname(guest)
    this = {"_id": denial["_id"], "erasedAt": denial["erasedAt"]}
    as_buried = {**this, "$expr": {"$eq": ["$before", "$erasedBefore"]}}
    if not Denial.collection().delete_one(as_buried).deleted_count:
        over = {"erasedAt": "", "erasedBefore": "", "sweepAt": ""}
        Denial.collection().update_one(this, {"$unset": over})


def sign_out(caller: Caller) -> None:
    """End the token that the caller shows, and close its sockets. Raises `ForbiddenError` for systems and API keys."""
    if caller.token_id is None or caller.may_act_for_others:
        raise ForbiddenError("Only users and agents can sign out. Use POST /api/auth/revoke to end a system's tokens.")
    time = now()
    denial = {
        "tokenId": caller.token_id,
        "userId": caller.id,
        "userType": caller.type,
        "createdAt": time,
        "updatedAt": time,
        "expiresAt": time + REFUSALS_KEPT,
    }
    Denial.collection().update_one({"_id": _sign_out_id(caller)}, {"$setOnInsert": denial}, upsert=True)
    events.happened(SignedOut(caller, denial))


def identify(guest: Caller, user: Caller) -> str:
    """Note, once and for all, that a guest has become this user; its tokens are refused from now on.

    Returns the id of the user it has become: another one's, where that one was faster.
    """
    time = now()
    denial: Any = Denial.collection().find_one_and_update(
        {"_id": _identified_id(guest)},
        {
            "$set": {"updatedAt": time},
            "$setOnInsert": {
                "userId": guest.id,
                "userType": guest.type,
                "identifiedAs": user.id,
                "isCarried": False,
                "createdAt": time,
                "expiresAt": time + REFUSALS_KEPT,
            },
        },
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    if denial["identifiedAs"] == user.id:
        events.happened(GuestIdentified(user, denial, guest))
    return str(denial["identifiedAs"])


def block(caller: Caller, wanted: NewBlock) -> tuple[Document, bool]:
    """Block a person or an address; one that is blocked already gets the new reason and end.

    Returns the block, and whether it is new. For operators only.
    """
    access.require_operator(caller)
    time = now()
    expires_at = None if wanted.expires_in_seconds is None else time + timedelta(seconds=wanted.expires_in_seconds)
    values: dict[str, Any] = {"reason": wanted.reason, "expiresAt": expires_at, "updatedAt": time}
    collection = Denial.collection()
    denial_id = _block_id(wanted.person, wanted.address)
    collection.delete_one({"_id": denial_id, "expiresAt": {"$lte": time}})
    subject = (
        {"address": wanted.address}
        if wanted.person is None
        else {"userId": wanted.person.id, "userType": wanted.person.type}
    )
    new_id = ObjectId()
    stored: Any = collection.find_one_and_update(
        {"_id": denial_id},
        {"$set": values, "$setOnInsert": {"blockId": new_id, "createdAt": time, **subject}},
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    events.happened(Blocked(caller, stored, wanted.expires_in_seconds))
    return stored, stored["blockId"] == new_id


def unblock(caller: Caller, block_id: ObjectId) -> Document:
    """Lift a block. Raises `BlockNotFoundError`. For operators only."""
    access.require_operator(caller)
    lifted: Document | None = Denial.collection().find_one_and_delete(
        # The index has ids only, and is used where the query says so.
        {"blockId": {"$eq": block_id, "$type": "objectId"}}
    )
    if lifted is None or _has_run_out(lifted):
        raise BlockNotFoundError
    events.happened(Unblocked(caller, lifted))
    return lifted


def blocks(caller: Caller, limit: int, cursor: Cursor | None) -> tuple[list[Document], str | None]:
    """Return one page of the blocks in force, newest first, and the cursor of the next. For operators only."""
    access.require_operator(caller)
    query = {"blockId": {"$type": "objectId"}, "expiresAt": {"$not": {"$lte": now()}}}
    return pages.read(Denial.collection(), query, limit, cursor, time="createdAt", key="blockId")


def write_agents_in_small_letters() -> None:
    """Rewrite denials of agents that were stored under an id in capitals, which nobody is called by any more."""
    collection = Denial.collection()
    for kind in ("block", "revoked"):
        of_agents = {"$gte": f"{kind}:{AGENT}:", "$lt": f"{kind}:{AGENT};", "$regex": "[A-F]"}
        for denial in list(collection.find({"_id": of_agents})):
            person = Caller(denial["userId"], AGENT)
            if person.id == denial["userId"]:
                continue
            new = {**denial, "_id": f"{kind}:{person}", "userId": person.id}
            if "blockId" in denial:
                new["blockId"] = ObjectId()  # Its own is taken, until the old one is gone.
            try:
                collection.insert_one(new)
            except DuplicateKeyError:
                if "before" in denial:
                    later = {"before": denial["before"], "expiresAt": denial["expiresAt"]}
                    collection.update_one({"_id": new["_id"]}, {"$max": later, "$unset": {"kept": ""}})
            collection.delete_one({"_id": denial["_id"]})


def enforce_recent() -> None:
    """Close the sockets here of people denied by another process since the last time: its order may have been lost."""
    global _enforced_at
    started = elapsed()
    seconds = min(RECENT_SECONDS, started - _enforced_at + LATE_SECONDS)
    for denial in list(Denial.collection().find({"updatedAt": {"$gte": now() - timedelta(seconds=seconds)}})):
        # Of a tombstone nobody knows whose it is; the revocation beside it is kept for as long.
        if not _has_run_out(denial) and not denial["_id"].startswith("erased:"):
            _close_sockets(denial, here=True)
    _enforced_at = started


def close_sockets(event: AccessDenied) -> None:
    """Close the sockets of denied people in every process."""
    _close_sockets(event.denial)


def _close_sockets(denial: Mapping[str, Any], *, here: bool = False) -> None:
    if denial.get("address") is not None:
        orders.give(CloseAddress(address=denial["address"]), here=here)
        return
    is_block = denial.keys().isdisjoint({"before", "tokenId", "identifiedAs"})
    order = CloseSockets(
        person_id=denial["userId"],
        person_type=denial["userType"],
        why=BLOCKED if is_block else REVOKED,
        tokens_up_to_ms=denial.get("before"),
        kept_ms=denial.get("kept"),
        token_id=denial.get("tokenId"),
    )
    orders.give(order, here=here)


def networks_of(address: str) -> list[str]:
    """Return the texts under which an address may be blocked: itself, and for IPv6 its /64, which is one household's.

    Of what is no address, as that of a Unix socket, it returns the text itself.
    """
    return list(dict.fromkeys([address, addresses.counted(address)])) if address else []


def _in_force(person: Caller, address: str) -> Iterable[Document]:
    ids = [
        f"revoked:{person}",
        tombstones.id_of(person),
        _block_id(person, None),
        *(_block_id(None, name) for name in networks_of(address)),
    ]
    if person.token_id is not None:
        ids.append(_sign_out_id(person))
    if person.is_guest:
        ids.append(_identified_id(person))
    return [denial for denial in _look_up(ids) if not _has_run_out(denial)]


def _read(ids: list[str]) -> Iterable[Document]:
    found: Iterable[Document] = Denial.collection().find(
        {"_id": {"$in": ids}}, {"before": 1, "kept": 1, "identifiedAs": 1, "expiresAt": 1}, batch_size=len(ids) + 1
    )
    return found


_look_up = SharedLookUps(_read)
"""A thousand sockets that reconnect at once cost a few queries."""


def _block_id(person: Caller | None, address: str | None) -> str:
    return f"block:address:{address}" if person is None else f"block:{person}"


def _sign_out_id(caller: Caller) -> str:
    return f"signed-out:{caller.token_id}"


def _identified_id(guest: Caller) -> str:
    return f"identified:{guest}"


def _has_run_out(denial: Document) -> bool:
    expires_at = denial.get("expiresAt")
    return expires_at is not None and bool(expires_at <= now())
