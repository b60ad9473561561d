"""/api/reports."""

from __future__ import annotations

from chatsupport.openapi.parts import (
    Json,
    array,
    boolean,
    choice,
    identifier,
    integer,
    nothing_or,
    number,
    operation,
    query,
    record,
    string,
    success,
    time,
)
from chatsupport.payloads.reports import BUCKETS, DEFAULT_DAYS, MAX_DAYS

TAG = "Reports"


def _durations(description: str) -> Json:
    seconds = {name: nothing_or(number("Seconds.")) for name in ("mean", "p50", "p95")}
    return record({"count": integer(0), **seconds}, description=description)


_FIGURES = {
    "sessions": integer(0, description="Sessions that ended."),
    "abandoned": integer(0, description="Those of them that ended waiting, without an agent."),
    "messages": integer(0),
    "messagesPerSession": nothing_or(number()),
    "waiting": _durations("From the start to the first agent. Percentiles are off by 2 % at most."),
    "firstResponse": _durations("From the start to the first message of an agent."),
    "handling": _durations("From the first agent to the end."),
}

_TIME = {"type": "string", "maxLength": 40, "examples": ["2026-11-22", "2026-11-22T09:00:00Z"]}

_SUMMARY = success(
    record(
        {
            "from": time(),
            "to": time(),
            "bucket": choice(*BUCKETS),
            "agentId": nothing_or(identifier()),
            "complete": boolean("False while a server is still at adding up an earlier time."),
            "total": record(_FIGURES),
            "agents": array(
                record({"agentId": identifier(), "name": nothing_or(string()), **_FIGURES}),
                "By the agent that had the session in the end, who had most first. A deleted one has no name.",
            ),
            "buckets": array(record({"start": time(), **_FIGURES}), "Every hour or day (UTC) of the time up to now."),
        }
    ),
    "The report",
)
_SUMMARY["content"]["text/csv"] = {"schema": string("A line for all, for each agent, for each hour or day.")}

PATHS: dict[str, Json] = {
    "/api/reports/summary": {
        "get": operation(
            TAG,
            "getSummary",
            "Report on a time",
            description=f"The sessions that ended in it, at most {MAX_DAYS} days. By API key, system or supervisor.",
            parameters=(
                query(
                    "from", {**_TIME, "description": f"Rounded down to the bucket; {DEFAULT_DAYS} days before `to`."}
                ),
                query("to", {**_TIME, "description": "Rounded up to the bucket; now."}),
                query("bucket", choice(*BUCKETS, default="day")),
                query("agentId", string("Only the sessions that this agent had in the end.")),
            ),
            answers={200: _SUMMARY},
            codes=["INVALID_RANGE", "INVALID_BUCKET", "INVALID_AGENT", "AGENT_NOT_FOUND", "FORBIDDEN"],
        )
    }
}
