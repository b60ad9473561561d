"""/api/blocks. Needs a caller; the services want an API key or a system."""

from __future__ import annotations

from flask import Blueprint, Response, request

from chatsupport import payloads, serializers
from chatsupport.blueprints.requests import caller, json_body, require_caller, success
from chatsupport.services.people import denials

blueprint = Blueprint("blocks", __name__, url_prefix="/api/blocks")
blueprint.before_request(require_caller)


@blueprint.get("")
def list_blocks() -> tuple[Response, int]:
    """Return a page of the blocks in force, newest first."""
    page = payloads.list_page(request.args)
    rows, cursor = denials.blocks(caller(), page.limit, page.cursor)
    return success("Blocks", serializers.page("blocks", [serializers.block(row) for row in rows], cursor))


@blueprint.post("")
def create_block() -> tuple[Response, int]:
    """Block a person or an address."""
    stored, created = denials.block(caller(), payloads.new_block(json_body()))
    if created:
        return success("Blocked", serializers.block(stored), 201)
    return success("This was blocked already; its reason and end are the new ones", serializers.block(stored))


@blueprint.delete("/<block_id>")
def delete_block(block_id: str) -> tuple[Response, int]:
    """Lift a block."""
    return success("Unblocked", serializers.block(denials.unblock(caller(), payloads.block_id(block_id))))
