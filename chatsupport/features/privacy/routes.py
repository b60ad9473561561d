"""/api/users: what is kept of somebody. Needs a caller; the service wants an API key or a system.

An id in the path is one that is taken today. The query takes every id that was ever stored, exactly as it is.
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from chatsupport import payloads
from chatsupport.blueprints.paths import take_user_ids
from chatsupport.blueprints.requests import caller, require_caller, success
from chatsupport.features.privacy import erasure, export

blueprint = Blueprint("users", __name__, url_prefix="/api/users")
blueprint.before_request(require_caller)
blueprint.record(take_user_ids)


@blueprint.get("/export")
def export_stored_user() -> tuple[Response, int]:
    """Return everything that is kept of somebody whose id is in the query."""
    return success("Export", export.export(caller(), payloads.stored_person(request.args)))


@blueprint.delete("")
def erase_stored_user() -> tuple[Response, int]:
    """Erase somebody whose id is in the query."""
    return success("Erased", erasure.erase(caller(), payloads.stored_person(request.args)))


@blueprint.get("/<id:user_id>/export")
def export_user(user_id: str) -> tuple[Response, int]:
    """Return everything that is kept of somebody."""
    return success("Export", export.export(caller(), payloads.erasable_person(user_id, request.args)))


@blueprint.delete("/<id:user_id>")
def erase_user(user_id: str) -> tuple[Response, int]:
    """Erase somebody."""
    return success("Erased", erasure.erase(caller(), payloads.erasable_person(user_id, request.args)))
