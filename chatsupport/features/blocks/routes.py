"""Blocks of people and addresses. For API keys and systems."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from chatsupport import serializers
from chatsupport.blueprints.requests import caller
from chatsupport.blueprints.routing import OPERATORS, route
from chatsupport.contract.calls import Says
from chatsupport.features.blocks import service
from chatsupport.features.blocks.models import Block, BlockId, Blocks, ListPage, NewBlock

blueprint = Blueprint("blocks", __name__, url_prefix="/api/blocks")

Json = dict[str, Any]


@route(blueprint.get(""), query=ListPage, answers={200: Says("Blocks", Blocks)}, access=OPERATORS)
def list_blocks(page: ListPage) -> Json:
    """List the blocks in force, newest first."""
    rows, cursor = service.list_page(caller(), page.limit, page.cursor)
    return serializers.page("blocks", [serializers.block(row) for row in rows], cursor)


@route(
    blueprint.post(""),
    body=NewBlock,
    answers={
        201: Says("Blocked", Block),
        200: Says("It was already blocked; the block now has the new reason and end", Block),
    },
    access=OPERATORS,
)
def create_block(new: NewBlock) -> tuple[Json, int]:
    """Block a person or an address.

    Takes effect at once and everywhere: requests and connections are refused, and open sockets are closed.
    """
    stored, created = service.block(caller(), new)
    return serializers.block(stored), 201 if created else 200


@route(blueprint.delete("/<block_id>"), answers={200: Says("Unblocked", Block)}, access=OPERATORS)
def delete_block(block_id: BlockId) -> Json:
    """Lift a block."""
    return serializers.block(service.unblock(caller(), block_id))
