"""Reports: how many sessions ended, and how long people waited. For API keys, systems and supervisors."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Blueprint, Response, after_this_request, request

from chatsupport.blueprints.requests import caller
from chatsupport.blueprints.routing import MANAGERS, route
from chatsupport.contract.calls import Says
from chatsupport.documents.agent import BOT
from chatsupport.features.reports import service as reports
from chatsupport.features.reports.models import Report, ReportQuery

blueprint = Blueprint("reports", __name__, url_prefix="/api/reports")

CSV = "text/csv"
_COUNTS = ("sessions", "abandoned", "messages", "messagesPerSession")
_DURATIONS = ("waiting", "firstResponse", "handling")
_BOM = "\ufeff"
"""Spreadsheets recognize UTF-8 by this."""
_FORMULA = re.compile(r"(^|[;,|\t\r\n])(?=\s*?[=+\-@|;\t\r\n＝＋－＠])")
"""Places where a formula could begin, also for spreadsheets with another separator than the comma."""


@route(
    blueprint.get("/summary"),
    query=ReportQuery,
    answers={200: Says("Report", Report, also=(CSV,))},
    access=MANAGERS,
)
def get_summary(wanted: ReportQuery) -> dict[str, Any] | Response:
    """Report on the sessions that ended in a period.

    The report is JSON or, if `Accept` prefers it, CSV.
    """
    report = reports.summary(caller(), wanted)

    @after_this_request
    def _depends_on_accept(response: Response) -> Response:
        response.vary.add("Accept")
        return response

    if request.accept_mimetypes.best_match(["application/json", CSV]) != CSV:
        return report
    response = Response(_csv(report), mimetype=CSV)
    name = f"report-{report['from'][:10]}-{report['to'][:10]}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _csv(report: Mapping[str, Any]) -> str:
    """Return a report as CSV (RFC 4180): a line for the total, each agent or bot, each tag, and each hour or day."""
    text = io.StringIO(_BOM)
    text.seek(len(_BOM))
    writer = csv.writer(text, lineterminator="\r\n", quoting=csv.QUOTE_NONNUMERIC)
    statistics = ("count", "mean", "p50", "p95")
    durations = [f"{name}{part.capitalize()}" for name in _DURATIONS for part in statistics]
    writer.writerow(["row", "start", "agentId", "agentName", *_COUNTS, *durations, "ratingCount", "ratingMean", "tag"])
    for kind, row in _rows(report):
        figures = [row.get(name) for name in _COUNTS]
        figures += [row.get(name, {}).get(part) for name in _DURATIONS for part in statistics]
        rating = row.get("rating", {})
        names = [kind, row.get("start"), row.get("agentId"), _as_text(row.get("name"))]
        writer.writerow([*names, *figures, rating.get("count"), rating.get("mean"), _as_text(row.get("tag"))])
    return text.getvalue()


def _rows(report: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "total", {**report["total"], "start": report["from"], "agentId": report["agentId"]}
    for agent in report["agents"]:
        yield "bot" if agent["kind"] == BOT else "agent", agent
    for tag in report["total"].get("tags", ()):
        yield "tag", {**tag, "start": report["from"], "agentId": report["agentId"]}
    for bucket in report["buckets"]:
        yield report["bucket"], {**bucket, "agentId": report["agentId"]}


def _as_text(name: str | None) -> str | None:
    """Return a name in a form that no spreadsheet reads as a formula: an agent or a tag may be `=HYPERLINK(…)`."""
    return None if name is None else _FORMULA.sub(r"\1'", name)
