"""Canned replies: agents read them, supervisors and operators write them."""

from __future__ import annotations

from typing import Any

import pytest
from bson import ObjectId

from chatsupport.features.replies.documents import Reply
from chatsupport.features.replies.service import ACTIONS
from tests.api import Api, Apis, assert_failure, data_of
from tests.concurrency import run_together

REPLIES = "/api/replies"
HELLO = {"shortcut": "hello", "title": "Greeting", "text": "Hello {{visitor.name}},\nI am {{agent.name}}."}


def create(operator: Api, shortcut: str = "hello", **fields: Any) -> dict[str, Any]:
    response = operator.post(REPLIES, {**HELLO, "shortcut": shortcut, **fields})
    assert response.status_code == 201, response.json
    return data_of(response)


def test_a_reply_is_made_changed_and_deleted(operator: Api) -> None:
    made = create(operator, title="  Greeting ")

    assert {**HELLO, "id": made["id"]} == {name: made[name] for name in ("id", *HELLO)}
    assert made["createdAt"] == made["updatedAt"]
    path = f"{REPLIES}/{made['id']}"
    changed = data_of(operator.patch(path, {"title": "Hi", "shortcut": "hi"}))
    assert (changed["title"], changed["shortcut"], changed["text"]) == ("Hi", "hi", HELLO["text"])
    assert data_of(operator.delete(path)) == changed
    assert data_of(operator.get(REPLIES)) == {"replies": [], "hasMore": False, "nextCursor": None}
    for response in (operator.delete(path), operator.patch(path, {"title": "Hi"})):
        assert_failure(response, 404, "REPLY_NOT_FOUND")
    assert_failure(operator.delete(f"{REPLIES}/none"), 404, "REPLY_NOT_FOUND")


def test_two_replies_cannot_have_the_same_shortcut(operator: Api) -> None:
    create(operator)
    other = create(operator, "other")

    assert_failure(operator.post(REPLIES, HELLO), 409, "SHORTCUT_TAKEN")
    assert_failure(operator.patch(f"{REPLIES}/{other['id']}", {"shortcut": "hello"}), 409, "SHORTCUT_TAKEN")
    assert operator.patch(f"{REPLIES}/{other['id']}", {"shortcut": "other"}).status_code == 200


def test_of_two_replies_created_at_once_one_is_refused(apis: Apis) -> None:
    codes = run_together(*[lambda: apis.operator().post(REPLIES, HELLO).status_code] * 4)

    assert sorted(codes) == [201, 409, 409, 409]
    assert Reply.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"shortcut": "Hello"}, "shortcut"),
        ({"shortcut": ""}, "shortcut"),
        ({"shortcut": "a" * 33}, "shortcut"),
        ({"shortcut": "a\n"}, "shortcut"),
        ({"shortcut": {"$gt": ""}}, "shortcut"),
        ({"shortcut": None}, "shortcut"),
        ({"title": " \u200b"}, "title"),
        ({"title": "x" * 101}, "title"),
        ({"text": "x" * 1001}, "text"),
        ({"text": "\x00x"}, "text"),
        ({"text": ["x"]}, "text"),
    ],
)
def test_an_invalid_reply_is_refused(operator: Api, fields: dict[str, Any], wrong: str) -> None:
    made = create(operator, "other")
    for response in (
        operator.post(REPLIES, {**HELLO, **fields}),
        operator.patch(f"{REPLIES}/{made['id']}", fields),
    ):
        failure = assert_failure(response, 400, "INVALID_REPLY")
        assert [detail["field"] for detail in failure["details"]] == [wrong]
    assert data_of(operator.get(REPLIES))["replies"] == [made]


def test_all_missing_fields_are_named(operator: Api) -> None:
    failure = assert_failure(operator.post(REPLIES, {}), 400, "INVALID_REPLY")

    assert {detail["field"] for detail in failure["details"]} == set(HELLO)


def test_agents_read_and_supervisors_write(apis: Apis, operator: Api) -> None:
    supervisor = apis.agent(operator.create_agent("Sue", role="supervisor")["id"])
    agent, user = apis.agent(operator.create_agent("Ada")["id"]), apis.user("u1")
    made = create(supervisor)
    path = f"{REPLIES}/{made['id']}"

    assert data_of(agent.get(REPLIES))["replies"] == [made]
    assert_failure(user.get(REPLIES), 403, "FORBIDDEN")
    for caller in (agent, user):
        assert_failure(caller.post(REPLIES, {**HELLO, "shortcut": "x"}), 403, "FORBIDDEN")
        assert_failure(caller.patch(path, {"title": "x"}), 403, "FORBIDDEN")
        assert_failure(caller.delete(path), 403, "FORBIDDEN")
    assert_failure(apis.anonymous().get(REPLIES), 401, "AUTH_REQUIRED")
    assert data_of(supervisor.delete(path)) == made


def test_replies_are_listed_page_by_page(operator: Api) -> None:
    for shortcut in ("b", "a-1", "c", "a", "0"):
        create(operator, shortcut)
    listed, cursor = [], {}
    while True:
        page = data_of(operator.get(REPLIES, limit=2, **cursor))
        listed += [row["shortcut"] for row in page["replies"]]
        if not page["hasMore"]:
            break
        cursor = {"cursor": page["nextCursor"]}

    assert listed == ["0", "a", "a-1", "b", "c"]
    assert_failure(operator.get(REPLIES, limit=101), 400, "INVALID_LIMIT")
    assert_failure(operator.get(REPLIES, cursor="$gt"), 400, "INVALID_CURSOR")


def test_an_unknown_reply_is_not_found(operator: Api) -> None:
    assert_failure(operator.patch(f"{REPLIES}/{ObjectId()}", {"title": "x"}), 404, "REPLY_NOT_FOUND")


@pytest.mark.features("audit")
def test_the_audit_log_says_who_did_what(operator: Api) -> None:
    made = create(operator)
    operator.patch(f"{REPLIES}/{made['id']}", {"title": "Hi"})
    operator.delete(f"{REPLIES}/{made['id']}")

    entries = [data_of(operator.get("/api/audit", action=action))["entries"] for action in ACTIONS]
    assert [[entry["details"] for entry in found] for found in entries] == [
        [{"reply_id": made["id"], "shortcut": "hello"}]
    ] * 3
