"""Blocks: what operators ask for, and what they get."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

from bson import ObjectId
from pydantic import Field, model_validator

from chatsupport import addresses
from chatsupport.contract.base import Answer, Code, Reads, Request, example, page, refused
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
    """No block has this id, or it has run out."""

    code = "BLOCK_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("No block has this id. GET /api/blocks lists the blocks.")


MAX_BLOCK_SECONDS = 10 * 365 * 24 * 3600


def _address(value: Any) -> str:
    """Return an address in its one spelling; of IPv6 also a /64, which is what one household has."""
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
    """Whom to block: a person or an address."""

    user_id: PersonId | None = Field(default=None, description="The person.")
    user_type: UserType = "user"
    address: (
        Annotated[str, Reads(_address, "an IP address, or an IPv6 network /64"), Code("INVALID_ADDRESS")] | None
    ) = Field(default=None, description="Instead of a person: an IP address, or an IPv6 network /64.")
    reason: Reason | None = Field(default=None, description="For operators.")
    expires_in_seconds: Annotated[int, Field(ge=1, le=MAX_BLOCK_SECONDS), Code("INVALID_EXPIRY")] | None = Field(
        default=None, description="Without it, the block stays until you delete it."
    )

    model_config = example(userId="visitor-1", reason="Abuse", expiresInSeconds=86400)

    @model_validator(mode="after")
    def _is_of_one(self) -> NewBlock:
        if self.address is not None and self.user_id is not None:
            raise refused("address", "INVALID_ADDRESS", "Give either userId or address, not both.")
        if self.address is None and self.user_id is None:
            raise refused("userId", "INVALID_USER_ID", "userId is required, or an address instead.")
        return self

    @property
    def person(self) -> Caller | None:
        """Whom to block, an agent's id in its one form; None of an address."""
        return None if self.user_id is None else Caller(self.user_id, self.user_type)


class ListPage(Request):
    """Which page of a list."""

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
    expires_at: Time | None = Field(description="null: until it is lifted.")


Blocks = page("Blocks", "blocks", Block)
