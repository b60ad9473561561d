"""/api/reports. Needs a caller; the service wants an API key, a system or a supervisor."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Blueprint, Response, request

from chatsupport import payloads
from chatsupport.blueprints.requests import caller, require_caller, success
from chatsupport.features.reports import service as reports

blueprint = Blueprint("reports", __name__, url_prefix="/api/reports")
blueprint.before_request(require_caller)

CSV = "text/csv"
_COUNTS = ("sessions", "abandoned", "messages", "messagesPerSession")
_DURATIONS = ("waiting", "firstResponse", "handling")
_BOM = "\ufeff"
"""By this spreadsheets know UTF-8."""
_FORMULA = re.compile(r"(^|[;,|\t\r\n])(?=\s*?[=+\-@|;\t\r\n＝＋－＠])")
"""Where a formula could begin, also for a spreadsheet that takes another separator than the comma."""


@blueprint.get("/summary")
def summary() -> tuple[Response, int]:
    """Return the figures of the sessions that ended in a time, as JSON or, where `Accept` prefers it, as CSV."""
    report = reports.summary(caller(), payloads.report_query(request.args))
    if request.accept_mimetypes.best_match(["application/json", CSV]) != CSV:
        response, status = success("Report", report)
    else:
        response, status = Response(_csv(report), mimetype=CSV), 200
        name = f"report-{report['from'][:10]}-{report['to'][:10]}.csv"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.vary.add("Accept")
    return response, status


def _csv(report: Mapping[str, Any]) -> str:
    """Return a report as RFC 4180 has it: one line for all, for each agent, and for each hour or day."""
    text = io.StringIO(_BOM)
    text.seek(len(_BOM))
    writer = csv.writer(text, lineterminator="\r\n", quoting=csv.QUOTE_NONNUMERIC)
    statistics = ("count", "mean", "p50", "p95")
    durations = [f"{name}{part.capitalize()}" for name in _DURATIONS for part in statistics]
    writer.writerow(["row", "start", "agentId", "agentName", *_COUNTS, *durations])
    for kind, row in _rows(report):
        figures = [row[name] for name in _COUNTS] + [row[name][part] for name in _DURATIONS for part in statistics]
        writer.writerow([kind, row.get("start"), row.get("agentId"), _as_text(row.get("name")), *figures])
    return text.getvalue()


def _rows(report: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "total", {**report["total"], "start": report["from"], "agentId": report["agentId"]}
    for agent in report["agents"]:
        yield "agent", agent
    for bucket in report["buckets"]:
        yield report["bucket"], {**bucket, "agentId": report["agentId"]}


def _as_text(name: str | None) -> str | None:
    """Return a name so that no spreadsheet takes it for a formula: an agent may be called `=HYPERLINK(…)`."""
    return None if name is None else _FORMULA.sub(r"\1'", name)
