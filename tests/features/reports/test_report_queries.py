"""Queries and formats of reports."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from flask import Flask

from chatsupport.features.reports import rollups
from tests.api import Api, Apis, assert_failure, data_of
from tests.features.reports.reporting import RANGES, agent_ids, stored

__all__ = ["agent_ids", "stored"]


def test_csv_has_the_same_figures(app: Flask, operator: Api, stored: list[Any]) -> None:
    rollups.sweep()
    report = data_of(operator.get("/api/reports/summary", **RANGES[0]))
    operator.headers["Accept"] = "text/csv"

    response = operator.get("/api/reports/summary", **RANGES[0])

    assert response.mimetype == "text/csv"
    assert "Accept" in response.headers["Vary"]
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.text.endswith("\r\n")
    # The mark at its beginning tells spreadsheets that it is UTF-8, and everything but numbers is quoted.
    assert response.data.startswith(b'\xef\xbb\xbf"row","start",')
    assert '\r\n"agent","","' in response.text
    rows = list(csv.DictReader(io.StringIO(response.text.removeprefix("\ufeff"), newline="")))
    assert [row["row"] for row in rows] == ["total", *["agent"] * 3, *["day"] * len(report["buckets"])]
    assert int(rows[0]["sessions"]) == report["total"]["sessions"]
    assert float(rows[0]["waitingP95"]) == report["total"]["waiting"]["p95"]
    assert {row["agentName"] for row in rows[1:4]} == {"Ada", "Ben", "Cleo"}
    assert [row["start"] for row in rows[4:]] == [row["start"] for row in report["buckets"]]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("=HYPERLINK(A1)", "'=HYPERLINK(A1)"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@x", "'@x"),
        ("＝1", "'＝1"),
        ("a;=1", "a;'=1"),
        ("a, @x", "a,' @x"),
        ("a\t-1", "a\t'-1"),
        ("a\r+1", "a\r'+1"),
        ("a\n=1", "a\n'=1"),
        (";=1", "';'=1"),
        ('O"Hara, A', 'O"Hara, A'),
        ("x=1; y-2", "x=1; y-2"),
        ("Zoë\nB", "Zoë\nB"),
    ],
)
def test_no_name_becomes_a_formula_in_a_spreadsheet(operator: Api, name: str, shown: str) -> None:
    operator.create_agent(name)
    operator.end(operator.start("u1")["sessionId"])
    operator.headers["Accept"] = "text/csv"

    rows = list(
        csv.DictReader(io.StringIO(operator.get("/api/reports/summary").text.removeprefix("\ufeff"), newline=""))
    )

    assert rows[1]["agentName"] == shown


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/csv;q=0.5, application/json", "image/png"])
def test_json_is_the_default(operator: Api, accept: str) -> None:
    operator.headers["Accept"] = accept
    assert operator.get("/api/reports/summary").mimetype == "application/json"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"from": "yesterday"}, "INVALID_RANGE"),
        ({"from": ""}, "INVALID_RANGE"),
        ({"to": "2026-02-30"}, "INVALID_RANGE"),
        ({"to": "2026-01-01T25:00:00Z"}, "INVALID_RANGE"),
        ({"to": "0001-01-01T00:00:00+14:00"}, "INVALID_RANGE"),
        ({"to": "9999-12-31T23:59:59-14:00"}, "INVALID_RANGE"),
        ({"to": "２０２６-01-01"}, "INVALID_RANGE"),
        ({"from": "2026-01-02", "to": "2026-01-01"}, "INVALID_RANGE"),
        ({"from": "2026-01-01", "to": "2026-01-01"}, "INVALID_RANGE"),
        ({"from": "2025-01-01", "to": "2026-01-03"}, "INVALID_RANGE"),
        ({"bucket": "week"}, "INVALID_BUCKET"),
        ({"agentId": "x"}, "AGENT_NOT_FOUND"),
    ],
)
def test_an_invalid_time_is_refused(operator: Api, query: dict[str, str], code: str) -> None:
    response = operator.get("/api/reports/summary", **query)
    assert_failure(response, 404 if code == "AGENT_NOT_FOUND" else 400, code)


def test_every_way_to_write_a_time_is_read(operator: Api) -> None:
    for text in ("2026-01-01", "2026-01-01T00:00", "2026-01-01T00:00:00.1Z", "2025-12-31T19:00:00.123456-05:00"):
        report = data_of(operator.get("/api/reports/summary", **{"from": text, "to": "2026-01-02"}))
        assert report["from"] == "2026-01-01T00:00:00.000Z"


def test_future_times_have_no_buckets(operator: Api) -> None:
    report = data_of(operator.get("/api/reports/summary", **{"from": "8000-01-01", "to": "8000-02-01"}))
    assert (report["buckets"], report["total"]["sessions"]) == ([], 0)


def test_operators_and_supervisors_get_reports(apis: Apis, operator: Api) -> None:
    agent_id = operator.create_agent("Ada")["id"]
    for api in (apis.user("u1"), apis.agent(agent_id)):
        assert_failure(api.get("/api/reports/summary"), 403, "FORBIDDEN")
    assert_failure(apis.anonymous().get("/api/reports/summary"), 401, "AUTH_REQUIRED")
    supervisor_id = operator.create_agent("Ben", role="supervisor")["id"]
    assert apis.agent(supervisor_id).get("/api/reports/summary").status_code == 200
