"""Sessions of three months, and the report that they should give, computed in a simple way."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from bson import ObjectId

from chatsupport.documents import Agent, Message, Session
from chatsupport.features.reports import figures
from tests.api import Api, data_of

Document = dict[str, Any]
Made = list[tuple[Document, list[Any]]]
NOW = datetime(2026, 5, 2, 10, 30, tzinfo=timezone.utc)
FIRST = datetime(2026, 1, 29, 22, tzinfo=timezone.utc)
FIELDS = ("waiting", "firstResponse", "handling")


RANGES = [
    {"from": "2026-01-15", "to": "2026-05-03"},
    {"from": "2026-02-01", "to": "2026-03-01"},
    {"from": "2026-02-28T23:00:00Z", "to": "2026-03-01T01:00:00Z", "bucket": "hour"},
    {"from": "2026-01-31T05:10:00+05:30", "to": "2026-04-02T13:00:00.5Z", "bucket": "hour"},
    {"from": "2026-04-20T09:00:00", "to": "2026-05-02T10:05:00Z"},
    {"from": "2026-05-02", "bucket": "hour"},
    {"from": "2026-05-02T10:00:00Z", "bucket": "hour"},
    {},
]


def ended(at: datetime, rng: random.Random, agent_ids: list[ObjectId], *, counted: bool) -> tuple[Document, list[Any]]:
    """Return a session that ended then and its messages; `counted` says whether it has its own statistics."""
    created = at - timedelta(milliseconds=rng.choice([1, 900, 60_000, 3_600_000, 20_000_000]) * rng.uniform(1, 3))
    created = created.replace(microsecond=created.microsecond // 1000 * 1000)
    length = at - created
    session_id, user = ObjectId(), f"u{rng.random()}"
    session: Document = {"_id": session_id, "userId": user, "userType": "user", "status": "ended"}
    session |= {"createdAt": created, "endedAt": at, "agentId": None}
    if rng.random() < 0.9:
        waited = timedelta(milliseconds=int(length / timedelta(milliseconds=1) * rng.random() ** 3))
        session |= {"firstAssignedAt": created + waited}
        session |= {"agentId": rng.choice(agent_ids) if rng.random() < 0.95 else None}
    messages: list[Document] = []
    for seq in range(1, rng.choice([1, 2, 5, 12])):
        sender = ("agent", "a") if rng.random() < 0.4 else ("user", user)
        time = created + timedelta(milliseconds=int(length / timedelta(milliseconds=1) * seq / 12))
        messages.append({"sessionId": session_id, "seq": seq, "senderType": sender[0], "senderId": sender[1]})
        messages[-1] |= {"message": "m", "timestamp": time}
    if counted:
        session |= {"totalMessages": len(messages), "firstResponseMs": first_answer(session, messages)}
    return session, messages


def first_answer(session: Document, messages: list[Document]) -> int | None:
    answers = [row["timestamp"] for row in messages if row["senderType"] == "agent"]
    return round((answers[0] - session["createdAt"]).total_seconds() * 1000) if answers else None


@pytest.fixture
def agent_ids(operator: Api) -> list[ObjectId]:
    return [ObjectId(operator.create_agent(name)["id"]) for name in ("Ada", "Ben", "Cleo")]


@pytest.fixture
def stored(agent_ids: list[ObjectId], monkeypatch: pytest.MonkeyPatch) -> Made:
    """Sessions of three months, the last a moment ago."""
    set_time(monkeypatch, NOW)
    rng = random.Random(7)
    times = [FIRST + (NOW - FIRST) * rng.random() for _ in range(150)] + [NOW - timedelta(minutes=n) for n in range(60)]
    times += [datetime(2026, 3, 1, tzinfo=timezone.utc), datetime(2026, 2, 28, 23, 59, 59, 999000, timezone.utc)]
    times = [time.replace(microsecond=time.microsecond // 1000 * 1000) for time in times]
    made = [ended(time, rng, agent_ids, counted=rng.random() < 0.6) for time in times]
    Session.collection().insert_many([session for session, _ in made])
    Message.collection().insert_many([row for _, rows in made for row in rows])
    return made


def set_time(monkeypatch: pytest.MonkeyPatch, time: datetime) -> None:
    for module in ("features.reports.rollups", "features.reports.service", "features.reports.models"):
        monkeypatch.setattr(f"chatsupport.{module}.now", lambda: time)


def exact(made: Made) -> Document:
    """Return the figures of these sessions, computed in a simple way."""
    seconds: dict[str, list[float]] = {name: [] for name in FIELDS}
    for session, messages in made:
        assigned, answer = session.get("firstAssignedAt"), first_answer(session, messages)
        if assigned is not None:
            seconds["waiting"].append((assigned - session["createdAt"]).total_seconds())
            if session["agentId"] is not None:
                seconds["handling"].append((session["endedAt"] - assigned).total_seconds())
        if answer is not None:
            seconds["firstResponse"].append(answer / 1000)
    return {
        "sessions": len(made),
        "abandoned": sum(session["agentId"] is None for session, _ in made),
        "messages": sum(len(messages) for _, messages in made),
        **{name: sorted(values) for name, values in seconds.items()},
    }


def assert_equal(report: Document, made: Made) -> None:
    expected = exact(made)
    for name in ("sessions", "abandoned", "messages"):
        assert report[name] == expected[name]
    assert report["messagesPerSession"] == (round(expected["messages"] / len(made), 2) if made else None)
    for name in FIELDS:
        values, shown = expected[name], report[name]
        assert shown["count"] == len(values)
        if not values:
            assert (shown["mean"], shown["p50"], shown["p95"]) == (None, None, None)
            continue
        assert shown["mean"] == pytest.approx(sum(values) / len(values), abs=0.001)
        for percent in (50, 95):
            true = values[max(1, math.ceil(len(values) * percent / 100)) - 1]
            assert abs(shown[f"p{percent}"] - true) <= true * figures.ERROR + 0.001


def assert_report_is_true(operator: Api, made: Made, **query: str) -> Document:
    report = data_of(operator.get("/api/reports/summary", **query))
    start, end = (datetime.fromisoformat(report[name].replace("Z", "+00:00")) for name in ("from", "to"))
    step = timedelta(**{f"{report['bucket']}s": 1})
    inside = [item for item in made if start <= item[0]["endedAt"] < end]
    agents = {str(item[0]["agentId"]) for item in inside} - {"None"}
    if "agentId" in query:
        inside = [item for item in inside if str(item[0]["agentId"]) == query["agentId"]]
        agents &= {query["agentId"]}
    assert report["complete"]
    assert_equal(report["total"], inside)
    assert {row["agentId"] for row in report["agents"]} == agents
    for row in report["agents"]:
        assert row["name"] == Agent.objects.get(id=row["agentId"]).name
        assert_equal(row, [item for item in inside if str(item[0]["agentId"]) == row["agentId"]])
    assert len(report["buckets"]) == math.ceil((min(end, NOW) - start) / step)
    for number, row in enumerate(report["buckets"]):
        time = start + number * step
        assert row["start"] == time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        assert_equal(row, [item for item in inside if time <= item[0]["endedAt"] < time + step])
    return report
