"""The browsers of agents that get pushes: at most ten for each agent, each until the agent signs out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument

from chatsupport import serializers
from chatsupport.contract.base import refused
from chatsupport.database.clock import now
from chatsupport.errors import ForbiddenError
from chatsupport.events import AgentDeleted, SignedOut
from chatsupport.extensions import settings
from chatsupport.features.push.documents import PushSubscription
from chatsupport.features.push.models import WRONG, NewSubscription, decoded
from chatsupport.identity import AGENT, Caller
from chatsupport.realtime.native_threads import call_out
from chatsupport.services.shared import outbound
from chatsupport.services.shared.outbound import AddressRefusedError, Reach

Document = dict[str, Any]

MOST = 10
KEPT = timedelta(days=30)
"""How long a browser gets pushes without subscribing again. Refusals of tokens are kept for longer."""
LOOK_SECONDS = 5.0

_any = [False]


def any_known() -> bool:
    """Tell whether anybody has subscribed, as far as this process knows. No command."""
    return _any[0]


def forget() -> None:
    """Forget the subscriptions, because another application begins."""
    _any[0] = False


def look() -> None:
    """Check whether anybody has subscribed."""
    _any[0] = PushSubscription.collection().find_one(_in_force(), {"_id": 1}) is not None


def reach() -> Reach:
    """Return the addresses to which pushes may go."""
    return Reach(settings.config.is_production)


def require_agent(caller: Caller) -> None:
    """Raise `ForbiddenError` unless an agent is calling."""
    if caller.type != AGENT:
        raise ForbiddenError("Only agents can do this.")


def add(caller: Caller, new: NewSubscription) -> Document:
    """Push to this browser of the agent from now on. Beyond `MOST`, the oldest browsers are forgotten."""
    require_agent(caller)
    try:
        call_out(_check, new, reach())
    except AddressRefusedError as error:
        raise refused("endpoint", WRONG.code, f"endpoint {error}") from None
    except ValueError:
        raise refused("keys.p256dh", WRONG.code, "keys.p256dh must be a point on the curve P-256.") from None
    time, agent_id = now(), ObjectId(caller.id)
    values = {
        "agentId": agent_id,
        "endpoint": new.endpoint,
        "p256dh": new.keys.p256dh,
        "auth": new.keys.auth,
        "tokenId": caller.token_id,
        "tokenIssuedAtMs": caller.issued_at_ms or 0,
        "updatedAt": time,
        "expiresAt": time + KEPT,
    }
    collection = PushSubscription.collection()
    stored: Any = collection.find_one_and_update(
        {"_id": _id_of(new.endpoint)},
        {"$set": values, "$setOnInsert": {"createdAt": time}},
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    _any[0] = True
    newest = collection.find({"agentId": agent_id}, {"_id": 1}, sort=[("updatedAt", -1), ("_id", 1)], skip=MOST)
    if too_many := [row["_id"] for row in newest]:
        collection.delete_many({"_id": {"$in": too_many}, "agentId": agent_id})
    return {
        "endpoint": stored["endpoint"],
        "createdAt": serializers.iso(stored["createdAt"]),
        "expiresAt": serializers.iso(stored["expiresAt"]),
    }


def _check(new: NewSubscription, reach: Reach) -> None:
    """Raise `AddressRefusedError`, or `ValueError` for an invalid key."""
    from cryptography.hazmat.primitives.asymmetric import ec

    outbound.check(new.endpoint, reach)
    ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decoded(new.keys.p256dh))


def remove(caller: Caller, endpoint: str | None) -> int:
    """Stop pushing to this browser of the agent, or to all of them. Returns their number."""
    require_agent(caller)
    which: Document = {"agentId": ObjectId(caller.id)}
    if endpoint is not None:
        which["_id"] = _id_of(endpoint)
    return int(PushSubscription.collection().delete_many(which).deleted_count)


def drop(subscription: Mapping[str, Any]) -> None:
    """Forget a subscription, unless its browser has subscribed again since it was read."""
    PushSubscription.collection().delete_one({"_id": subscription["_id"], "updatedAt": subscription["updatedAt"]})


def of(agent_ids: Iterable[ObjectId]) -> list[Document]:
    """Return the subscriptions of these agents."""
    which = {"agentId": {"$in": list(agent_ids)}, "expiresAt": {"$gt": now()}}
    return list(PushSubscription.collection().find(which))


def of_all(most: int) -> list[Document]:
    """Return the subscriptions of all agents."""
    return list(PushSubscription.collection().find(_in_force(), limit=most))


def on_sign_out(event: SignedOut) -> None:
    """Forget the browser on which an agent has signed out."""
    if event.caller.type == AGENT:
        which = {"agentId": ObjectId(event.caller.id), "tokenId": event.caller.token_id}
        PushSubscription.collection().delete_many(which)


def on_deletion(event: AgentDeleted) -> None:
    """Forget the browsers of a deleted agent."""
    PushSubscription.collection().delete_many({"agentId": event.agent_id})


def _in_force() -> Document:
    return {"expiresAt": {"$gt": now()}}


def _id_of(endpoint: str) -> str:
    return hashlib.sha256(endpoint.encode("utf-8", "surrogatepass")).hexdigest()
