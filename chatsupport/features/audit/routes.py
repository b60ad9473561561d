"""/api/audit. Needs a caller; the service wants an API key or a system."""

from __future__ import annotations

from flask import Blueprint, Response, request

from chatsupport import payloads, serializers
from chatsupport.blueprints.requests import caller, require_caller, success
from chatsupport.features.audit import service as audit

blueprint = Blueprint("audit", __name__, url_prefix="/api/audit")
blueprint.before_request(require_caller)


@blueprint.get("")
def list_entries() -> tuple[Response, int]:
    """Return a page of the audit log, newest first."""
    rows, cursor = audit.entries(caller(), payloads.audit_filter(request.args))
    return success("Audit log", serializers.page("entries", [serializers.audit_entry(row) for row in rows], cursor))
