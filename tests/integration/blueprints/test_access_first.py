"""Access is checked first: a wrong request of a stranger gets the same refusal as a right one."""

from __future__ import annotations

import pytest
from flask import Flask

from chatsupport.features import INSTALLED
from tests.api import Api, Apis, assert_failure, data_of

FOR_EVERYBODY = {
    ("POST", "/api/auth/token"), ("POST", "/api/auth/login"), ("POST", "/api/auth/identify"),
    ("POST", "/api/auth/forgot-password"), ("POST", "/api/auth/reset-password"), ("POST", "/api/mail/unsubscribe"),
    ("POST", "/api/mail/unsubscribe/one-click"), ("POST", "/api/chat/start-session"), ("GET", "/api/chat/availability"),
    ("GET", "/api/departments"), ("GET", "/api/files/<file_id>"),
}  # fmt: skip
"""Calls whose input anybody, or every user, may send."""


def test_a_strangers_wrong_request_is_refused_as_a_right_one_is(app: Flask, operator: Api, user: Api) -> None:
    session_id = operator.start("somebody else")["sessionId"]
    agent_id = operator.create_agent("Ada")["id"]
    tried = 0
    for rule in app.url_map.iter_rules():
        call = getattr(app.view_functions[rule.endpoint], "call", None)
        method = next(iter((rule.methods or set()) - {"HEAD", "OPTIONS"}))
        if call is None or not (call.body or call.query) or call.file or (method, rule.rule) in FOR_EVERYBODY:
            continue
        path = rule.rule.replace("<session_id>", session_id).replace("<agent_id>", agent_id)
        path = path.replace("<id:user_id>", "u9").replace("<", "").replace(">", "")
        query = "limit=x&format=x&q=&userType=x&from=x&after=x&offset=x&endpoint="
        answer = user.client.open(
            f"{path}?{query}", method=method, data="[", content_type="application/json", headers=user.headers
        )
        assert (answer.status_code, (answer.json or {}).get("code")) == (403, "FORBIDDEN"), (method, path)
        tried += 1
    assert tried > 10


def test_a_wrong_request_of_the_sessions_user_is_refused_if_it_is_for_staff(operator: Api, user: Api) -> None:
    session_id = user.start("u1")["sessionId"]
    calls = [("POST", f"/api/chat/transfer/{session_id}")]
    if "notes" in INSTALLED:
        calls.append(("POST", f"/api/chat/notes/{session_id}"))
    if "tags" in INSTALLED:
        calls.append(("PUT", f"/api/chat/tags/{session_id}"))
    for method, path in calls:
        answer = user.client.open(path, method=method, json={"agentId": 5}, headers=user.headers)
        assert_failure(answer, 403, "FORBIDDEN")
    if "ratings" in INSTALLED:
        assert_failure(operator.post(f"/api/chat/rating/{session_id}", {"score": 9}), 403, "FORBIDDEN")


def test_only_users_who_are_no_guests_are_told_of_a_wrong_guest_token(operator: Api, user: Api) -> None:
    assert_failure(operator.post("/api/auth/identify", {}), 403, "FORBIDDEN")
    assert_failure(user.post("/api/auth/identify", {}), 400, "INVALID_GUEST_TOKEN")


def test_members_are_told_what_is_wrong(operator: Api, user: Api) -> None:
    session_id = user.start("u1")["sessionId"]
    assert_failure(user.send(session_id, ""), 400, "INVALID_MESSAGE")
    assert_failure(operator.post(f"/api/chat/transfer/{session_id}", {"agentId": 5}), 400, "INVALID_AGENT")
    assert_failure(user.post("/api/chat/send-message/zz", {"message": ""}), 404, "SESSION_NOT_FOUND")


@pytest.mark.features("settings", "replies", "events")
def test_callers_of_another_role_are_refused_first(app: Flask, operator: Api) -> None:
    agent = Apis(app).agent(operator.create_agent("Ada")["id"])
    for refused in (
        agent.put("/api/settings", {}),
        agent.post("/api/replies", {}),
        agent.patch("/api/replies/zz", {}),
        agent.post("/api/webhooks", {}),
        agent.get("/api/events", wait="x"),
    ):
        assert_failure(refused, 403, "FORBIDDEN")
    version = data_of(operator.get("/api/settings"))["version"]
    assert_failure(operator.put("/api/settings", {"version": version}), 400, "INVALID_SETTINGS")
