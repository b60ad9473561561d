"""Denials of access: revoked and signed-out tokens, guests that have become users, blocked people and addresses.

Every REST request and every connect asks here, and costs one look-up unless the answer is remembered
(`denial_memory.py`). Open sockets are never looked up: a denial closes the person's sockets, in every process. When the
call that stored a denial returns, it holds in every process.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from chatsupport import addresses, events, orders
from chatsupport.database.clock import elapsed, now, now_ms
from chatsupport.documents import Agent, Denial
from chatsupport.errors import (
    BlockedError,
    ChatSupportError,
    ForbiddenError,
    InvalidTokenError,
)
from chatsupport.events import AccessDenied, GuestIdentified, SignedOut, TokensRevoked
from chatsupport.extensions import socketio
from chatsupport.identity import AGENT, RENEWABLE, TOKEN_LIFETIME, USER, Caller, id_of_token
from chatsupport.orders import BLOCKED, REVOKED, CloseAddress, CloseSockets
from chatsupport.services.people import settling, tombstones
from chatsupport.services.people.denial_memory import AGENT_PREFIX, SURVEYED, memory
from chatsupport.services.server import processes
from chatsupport.services.shared import access
from chatsupport.services.shared.shared_commands import SharedCommands

Document = dict[str, Any]

ENFORCE_SECONDS = 1.0
SURVEY_SECONDS = 5.0
MOST_SURVEYED = 1_000
RECENT_SECONDS = 600
"""When a process starts, it enforces the denials of this many seconds."""
LATE_SECONDS = 60
"""More than the longest delay after which a denial may appear."""

AGREEMENT_MS = 20
"""Two processes' measurements of the database's time differ by less."""

REFUSALS_KEPT = TOKEN_LIFETIME + RENEWABLE + timedelta(days=1)
"""How long the refusal of tokens is kept: until the last of them has expired and cannot be renewed any more."""

_looked_at = -math.inf


def check(caller: Caller, address: str) -> None:
    """Raise `BlockedError`, or `AuthenticationError` if the caller's token is refused. One look-up at most.

    An API key is never denied, because it lifts blocks. A deleted agent is refused.
    """
    if caller.issued_at_ms is not None and identified_as(caller, address) is not None:
        raise revoked()


def identified_as(caller: Caller, address: str) -> str | None:
    """Return the user that a guest has become, or None for anybody else. Raises the other errors of `check`."""
    known_as: str | None = None
    issued_at_ms = caller.issued_at_ms or 0
    denials = _in_force(caller, address)
    if caller.type == AGENT and not any(denial["_id"].startswith(AGENT_PREFIX) for denial in denials):
        raise InvalidTokenError("The agent this token was made for does not exist.")
    if any(denial["_id"].startswith("block:") for denial in denials):
        raise BlockedError
    for denial in denials:
        if "identifiedAs" in denial:
            known_as = denial["identifiedAs"]
        elif denial["_id"].startswith(AGENT_PREFIX):
            continue
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
    """End all tokens made for a person so far, and close its sockets. Returns up to which time, in milliseconds.

    For operators only.
    """
    access.require_operator(caller)
    return end_tokens(caller, person)


def end_tokens(caller: Caller, person: Caller, keep: Caller | None = None) -> int:
    """Do what `revoke` does, for a service that has checked the caller. The token of `keep` stays valid.

    It is not kept if it was revoked in the meantime, or if it has no issue time.
    """
    denial = _end_tokens(person, keep)
    take_effect(TokensRevoked(caller, denial, person))
    # A token that any process issues after the answer is later than this.
    socketio.sleep(2 * AGREEMENT_MS / 1000)
    return int(denial["before"])


def _end_tokens(person: Caller, keep: Caller | None = None) -> dict[str, Any]:
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
                    "updatedAt": "$$NOW",
                    "userId": {"$literal": person.id},
                    "userType": person.type,
                    "createdAt": {"$ifNull": ["$createdAt", time]},
                }
            }
        ],
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    return dict(denial)


def end_access_of_deleted(agent_id: ObjectId) -> list[str]:
    """Store that an agent was deleted. Returns the ids that `settling.settle` wants to know, once all is told."""
    ids = _known_by(_end_tokens(Caller(str(agent_id), AGENT)))
    memory.forget(ids)
    return ids


def take_effect(event: AccessDenied) -> None:
    """Announce a denial that was just stored, and return when it holds in every process."""
    ids = _known_by(event.denial)
    memory.forget(ids)
    events.happened(event)
    settling.settle(ids)


def note_new_guest(guest: Caller) -> None:
    """Note that nobody can have denied this guest, because its id was just made."""
    memory.remember(_ids_of(guest), (), memory.state)


def note_new_token(token: str) -> None:
    """Note that nobody can have signed out this token, because it was just made."""
    memory.remember([_sign_out_id(id_of_token(token))], (), memory.state)


def forget(person: Caller) -> None:
    """Look up a person's denials again, because an order of another process announced a new one."""
    memory.forget(_ids_of(person))


def forget_address(network: str) -> None:
    """Look up again whether this address, or network, is blocked."""
    memory.forget([block_id(None, network)])


def bury(caller: Caller, person: Caller, sweep_after: timedelta) -> datetime:
    """End an erased person's tokens for good. A tombstone says so for long; the id itself stays until the erasure has
    searched again (`sweepAt`). Returns the time of the erasure.
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
            "$set": {"expiresAt": time + REFUSALS_KEPT},
            "$currentDate": {"updatedAt": True},
            "$setOnInsert": {"createdAt": time},
        },
        upsert=True,
    )


def unname(person: Caller) -> None:
    """Remove the name of an erased person from the denials, except from the revocation beside the tombstone, and from a
    block that still keeps the person out.
    """
    collection = Denial.collection()
    collection.delete_many({"tokenId": {"$exists": True}, "userId": person.id, "userType": person.type})
    collection.update_one({"_id": block_id(person, None)}, {"$unset": {"reason": ""}})
    collection.delete_one({"_id": _identified_id(person)})


def guests_of(person: Caller) -> list[Caller]:
    """Return the guests that have become this person."""
    if person.type != USER:
        return []
    was = Denial.collection().find({"identifiedAs": person.id}, {"userId": 1, "userType": 1})
    return [Caller(row["userId"], row["userType"]) for row in was]


def forget_buried(denial: Document) -> None:
    """Forget the id of an erased person, unless its tokens were revoked again since. The guests that it was get
    tombstones of their own, and their ids are forgotten too.
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
        "expiresAt": time + REFUSALS_KEPT,
    }
    this = {"_id": _sign_out_id(caller.token_id)}
    stored = {"$setOnInsert": denial, "$currentDate": {"updatedAt": True}}
    Denial.collection().update_one(this, stored, upsert=True)
    take_effect(SignedOut(caller, {**this, **denial}))


def identify(guest: Caller, user: Caller) -> str:
    """Note, once and for all, that a guest has become this user; its tokens are refused from now on.

    Returns the id of the user that the guest has become: another user's, if that one was faster.
    """
    time = now()
    denial: Any = Denial.collection().find_one_and_update(
        {"_id": _identified_id(guest)},
        {
            "$currentDate": {"updatedAt": True},
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
        take_effect(GuestIdentified(user, denial, guest))
    return str(denial["identifiedAs"])


def settle_identified(guest: Caller) -> None:
    """Return when it holds in every process that a guest has become a user."""
    settling.settle([_identified_id(guest)])


def write_agents_in_small_letters() -> None:
    """Rewrite denials of agents that were stored under an id in capitals, which is no longer in use."""
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
            new["updatedAt"] = now()
            try:
                collection.insert_one(new)
            except DuplicateKeyError:
                if "before" in denial:
                    later = {"before": denial["before"], "expiresAt": denial["expiresAt"]}
                    changed = {"$max": later, "$unset": {"kept": ""}, "$currentDate": {"updatedAt": True}}
                    collection.update_one({"_id": new["_id"]}, changed)
            collection.delete_one({"_id": denial["_id"]})


def enforce_recent() -> None:
    """Forget what was known of people denied by another process since the last time, and close their sockets here: its
    order may have been lost.
    """
    global _looked_at
    began, is_announced = elapsed(), processes.here.is_announced()
    seconds = min(RECENT_SECONDS, began - _looked_at + LATE_SECONDS)
    # By the database's clock at both ends, so that no other clock makes a denial look old.
    since = {"$subtract": ["$$NOW", round(seconds * 1000)]}
    recent = list(Denial.collection().find({"$expr": {"$gte": ["$updatedAt", since]}}))
    memory.forget(key for denial in recent for key in _known_by(denial))
    if is_announced:
        memory.trust_from(began)
    _looked_at = began
    for denial in recent:
        # A tombstone does not say whose it is. The revocation beside it, which does, is kept for as long.
        if not has_run_out(denial) and not denial["_id"].startswith("erased:"):
            _close_sockets(denial, here=True)


def survey() -> None:
    """Learn the ids of all denials that a new caller may have, so that its first call needs no look-up.

    If there are very many, each caller's are looked up.
    """
    state = memory.state
    kinds = [{"_id": {"$gte": kind, "$lt": kind.replace(":", ";")}} for kind in SURVEYED]
    found = list(Denial.collection().find({"$or": kinds}, {"_id": 1}, limit=MOST_SURVEYED + 1))
    if len(found) <= MOST_SURVEYED:
        memory.remember_all((denial["_id"] for denial in found), state)


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

    A text that is no address, such as the path of a Unix socket, is returned as it is.
    """
    return list(dict.fromkeys([address, addresses.counted(address)])) if address else []


def _in_force(person: Caller, address: str) -> list[Document]:
    ids = _ids(person.id, person.type, person.token_id, address)
    known = memory.recall(ids)
    if known is None:
        state = memory.state
        known = _look_up(ids)
        memory.remember(ids, known, state)
    return [denial for denial in known if not has_run_out(denial)]


@functools.lru_cache(maxsize=4096)
def _ids(person_id: str, person_type: str, token_id: str | None, address: str) -> tuple[str, ...]:
    """Return the ids of all denials that may concern a caller, and of the entry that shows that an agent exists."""
    of_token = () if token_id is None else (_sign_out_id(token_id),)
    of_address = (block_id(None, name) for name in networks_of(address))
    return (*_ids_of(Caller(person_id, person_type)), *of_address, *of_token)


def _ids_of(person: Caller) -> list[str]:
    ids = [f"revoked:{person}", tombstones.id_of(person), block_id(person, None)]
    if person.is_guest:
        ids.append(_identified_id(person))
    if person.type == AGENT:
        ids.append(f"{AGENT_PREFIX}{person.id}")
    return ids


def _known_by(denial: Mapping[str, Any]) -> list[str]:
    """Return the ids of the entries that this denial has changed: an agent may have been deleted."""
    ids: list[str] = [denial["_id"]]
    if denial.get("userType") == AGENT:
        ids.append(f"{AGENT_PREFIX}{denial['userId']}")
    return ids


def _read(ids: list[str]) -> Iterable[Document]:
    found: list[Document] = list(
        Denial.collection().find(
            {"_id": {"$in": ids}}, {"before": 1, "kept": 1, "identifiedAs": 1, "expiresAt": 1}, batch_size=len(ids) + 1
        )
    )
    agents = [key.removeprefix(AGENT_PREFIX) for key in ids if key.startswith(AGENT_PREFIX)]
    if agents:
        these = {"_id": {"$in": [ObjectId(agent_id) for agent_id in agents if ObjectId.is_valid(agent_id)]}}
        found += ({"_id": f"{AGENT_PREFIX}{agent['_id']}"} for agent in Agent.collection().find(these, {"_id": 1}))
    return found


_look_up = SharedCommands(_read)
"""A thousand sockets that reconnect at once cost a few queries."""


def block_id(person: Caller | None, address: str | None) -> str:
    """Return the id of the denial that blocks a person, or else an address."""
    return f"block:address:{address}" if person is None else f"block:{person}"


def _sign_out_id(token_id: str) -> str:
    return f"signed-out:{token_id}"


def _identified_id(guest: Caller) -> str:
    return f"identified:{guest}"


def has_run_out(denial: Document) -> bool:
    """Tell whether a denial is over, although it is still stored."""
    expires_at = denial.get("expiresAt")
    return expires_at is not None and bool(expires_at <= now())
