"""The audit log of all actions, with their callers and addresses. For API keys and systems."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from chatsupport import serializers
from chatsupport.blueprints.requests import caller
from chatsupport.blueprints.routing import OPERATORS, route
from chatsupport.contract.calls import Says
from chatsupport.features.audit import service as audit
from chatsupport.features.audit.models import AuditFilter, AuditLog

blueprint = Blueprint("audit", __name__, url_prefix="/api/audit")


@route(blueprint.get(""), query=AuditFilter, answers={200: Says("Audit log", AuditLog)}, access=OPERATORS)
def list_audit_entries(wanted: AuditFilter) -> dict[str, Any]:
    """Read the audit log, newest first.

    Who did what to which session, agent or person, when and from where. Kept for AUDIT_DAYS.
    """
    rows, cursor = audit.entries(caller(), wanted)
    return serializers.page("entries", [serializers.audit_entry(row) for row in rows], cursor)
