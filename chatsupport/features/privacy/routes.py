"""Export and erasure of everything stored about a person. For API keys and systems.

An id in the path must be one that is allowed today. The query accepts every stored id, exactly as it is.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from chatsupport.blueprints.paths import take_user_ids
from chatsupport.blueprints.requests import caller
from chatsupport.blueprints.routing import OPERATORS, route
from chatsupport.contract.calls import Says
from chatsupport.contract.fields import PersonId
from chatsupport.errors import MethodNotAllowedError
from chatsupport.features.privacy import erasure, export
from chatsupport.features.privacy.models import Erasable, Erased, Export, StoredPerson
from chatsupport.identity import Caller

blueprint = Blueprint("users", __name__, url_prefix="/api/users")
blueprint.record(take_user_ids)

Json = dict[str, Any]
EXPORTED, ERASED = {200: Says("Export", Export)}, {200: Says("Erased", Erased)}


@route(blueprint.get("/export"), query=StoredPerson, answers=EXPORTED, access=OPERATORS)
def export_stored_user(person: StoredPerson) -> Json:
    """Export everything that is stored about a person, with the id in the query."""
    return export.export(caller(), person.caller)


@route(blueprint.delete(""), query=StoredPerson, answers=ERASED, access=OPERATORS)
def erase_stored_user(person: StoredPerson) -> Json:
    """Erase a person, with the id in the query."""
    return erasure.erase(caller(), person.caller)


@route(blueprint.get("/<id:user_id>/export"), query=Erasable, answers=EXPORTED, access=OPERATORS)
def export_user(user_id: PersonId, kind: Erasable) -> Json:
    """Export everything that is stored about a person."""
    return export.export(caller(), Caller(user_id, kind.user_type))


@route(
    blueprint.delete("/<id:user_id>"),
    query=Erasable,
    answers=ERASED,
    errors=[MethodNotAllowedError],
    access=OPERATORS,
)
def erase_user(user_id: PersonId, kind: Erasable) -> Json:
    """Erase a person.

    Open sessions end, texts become empty, and the id becomes a random one everywhere. Counts stay.
    """
    return erasure.erase(caller(), Caller(user_id, kind.user_type))
