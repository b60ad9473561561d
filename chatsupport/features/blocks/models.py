"""Requests and answers about blocks."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

from bson import ObjectId
from pydantic import Field, model_validator

from chatsupport import addresses
from chatsupport.contract.base import Answer, Code, Reads, Request, absent, example, page, refused
from chatsupport.contract.fields import (
    DEFAULT_PAGE,
    Cursor,
    DocumentId,
    Id,
    Limit,
    PersonId,
    PersonType,
    Reason,
    Time,
    UserType,
)
from chatsupport.errors import NotFoundError
from chatsupport.identity import Caller


class BlockNotFoundError(NotFoundError):
    """No block has this id, or it has expired."""

    code = "BLOCK_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("No block has this id. GET /api/blocks lists the blocks.")


MAX_BLOCK_SECONDS = 10 * 365 * 24 * 3600


def _address(value: Any) -> str:
    """Return an address in its standard spelling. IPv6 networks /64 are also allowed: one household has one."""
    if not isinstance(value, str):
        raise ValueError
    if "/" in value:
        network = ipaddress.IPv6Network(value.strip())
        if network.prefixlen != 64:
            raise ValueError
        return str(network)
    address = addresses.plain(value)
    if address is None:
        raise ValueError
    return address


BlockId = Annotated[ObjectId, DocumentId(BlockNotFoundError)]


class NewBlock(Request):
    """A block to be made: of a person or of an address."""

    user_id: PersonId | None = absent("The person.")
    user_type: UserType = "user"
    address: (
        Annotated[str, Reads(_address, "an IP address, or an IPv6 network /64"), Code("INVALID_ADDRESS")] | None
    ) = absent("An IP address, or an IPv6 network /64, instead of a person.")
    reason: Reason | None = absent("For operators.")
    expires_in_seconds: Annotated[int, Field(ge=1, le=MAX_BLOCK_SECONDS), Code("INVALID_EXPIRY")] | None = absent(
        "Without it, the block lasts until you delete it."
    )

    model_config = example(userId="visitor-1", reason="Abuse", expiresInSeconds=86400)

    @model_validator(mode="after")
    def _is_of_one(self) -> NewBlock:
        if self.address is not None and self.user_id is not None:
            raise refused("address", "INVALID_ADDRESS", "Give either userId or address, not both.")
        if self.address is None and self.user_id is None:
            raise refused("userId", "INVALID_USER_ID", "Give either userId or address.")
        return self

    @property
    def person(self) -> Caller | None:
        """The person to block, or None for an address. An agent's id has its standard spelling."""
        return None if self.user_id is None else Caller(self.user_id, self.user_type)


class ListPage(Request):
    """The page of a list."""

    limit: Limit = DEFAULT_PAGE
    cursor: Cursor | None = None


class Block(Answer):
    """A block of a person or an address."""

    id: Id
    user_id: str | None
    user_type: PersonType | None
    address: str | None
    reason: str | None
    created_at: Time
    expires_at: Time | None = Field(description="When the block ends. Null if it lasts until it is deleted.")


Blocks = page("Blocks", "blocks", Block)
