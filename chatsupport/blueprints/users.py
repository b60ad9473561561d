"""/api/users: what is kept of somebody. Needs a caller; the service wants an API key or a system.

The id may hold slashes, so it is the rest of the path.
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from chatsupport import payloads
from chatsupport.blueprints.requests import caller, require_caller, success
from chatsupport.services import privacy

blueprint = Blueprint("users", __name__, url_prefix="/api/users")
blueprint.before_request(require_caller)


@blueprint.get("/<path:user_id>/export")
def export_user(user_id: str) -> tuple[Response, int]:
    """Return everything that is kept of somebody."""
    return success("Export", privacy.export(caller(), payloads.erasable_person(user_id, request.args)))


@blueprint.delete("/<path:user_id>")
def erase_user(user_id: str) -> tuple[Response, int]:
    """Erase somebody."""
    return success("Erased", privacy.erase(caller(), payloads.erasable_person(user_id, request.args)))
