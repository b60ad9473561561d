"""Lists of sessions: rights, filters, pages that neither repeat nor miss a session, and their cost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from chatsupport.contract.chat import SessionFilter
from chatsupport.database.clock import now
from chatsupport.documents import Session
from chatsupport.documents.session import FRONT, NEWEST_FIRST
from chatsupport.identity import AGENT, API_KEY_CALLER, Caller
from chatsupport.services.sessions import lists, starting
from chatsupport.services.shared import pages
from tests.api import Api, Apis, assert_failure, data_of
from tests.interleaving import just_after

AGENTS = [ObjectId() for _ in range(20)]
STATUSES = ("ended",) * 18 + ("active", "waiting")


def page(api: Api, **query: Any) -> dict[str, Any]:
    return data_of(api.get("/api/chat/sessions", **query))


def users(api: Api, **query: Any) -> list[str]:
    return [session["userId"] for session in page(api, **query)["sessions"]]


def all_pages(api: Api, **query: Any) -> list[list[str]]:
    pages: list[list[str]] = []
    cursor: str | None = None
    while True:
        answer = page(api, **query, **({} if cursor is None else {"cursor": cursor}))
        pages.append([session["id"] for session in answer["sessions"]])
        cursor = answer["nextCursor"]
        assert (cursor is not None) is answer["hasMore"]
        if cursor is None:
            return pages


def store(count: int, **fields: Any) -> list[str]:
    """Store sessions a second apart, the newest first; return their ids."""
    newest, documents = now(), []
    for number in range(count):
        time = newest - timedelta(seconds=number)
        documents.append({**starting._new(f"s{number}", "user"), "createdAt": time, "status": "ended", **fields})
    Session.collection().insert_many(documents)
    return [str(document["_id"]) for document in documents]


@pytest.fixture
def some(operator: Api) -> dict[str, str]:
    """Two agents; u1 with Ada, u2 with Ben, u3 ended with Ada, u4 waiting."""
    ada = operator.create_agent("Ada", maxUsers=1)["id"]
    operator.end(operator.start("u3")["sessionId"])
    operator.start("u1")
    ben = operator.create_agent("Ben", maxUsers=1)["id"]
    operator.start("u2")
    operator.start("u4")
    return {"ada": ada, "ben": ben}


def test_an_operator_sees_all_newest_first(operator: Api, some: dict[str, str]) -> None:
    answer = page(operator)

    assert [session["userId"] for session in answer["sessions"]] == ["u4", "u2", "u1", "u3"]
    assert (answer["hasMore"], answer["nextCursor"]) == (False, None)
    for session in answer["sessions"]:
        single = operator.session(session["id"])
        assert single["duration"] >= session["duration"]
        same = {name: value for name, value in session.items() if name in single and name != "duration"}
        assert same == {name: single[name] for name in same}
        assert {"id", "status", "agent", "queuePosition", "lastSeq", "createdAt"} <= set(same)


def test_filters(operator: Api, some: dict[str, str]) -> None:
    assert users(operator, status="waiting") == ["u4"]
    assert users(operator, status="active") == ["u2", "u1"]
    assert users(operator, status="ended") == ["u3"]
    assert users(operator, agentId=some["ada"]) == ["u1", "u3"]
    assert users(operator, agentId=some["ada"], status="ended") == ["u3"]
    assert users(operator, userId="u2") == ["u2"]
    assert users(operator, userId="u2", agentId=some["ada"]) == []
    assert users(operator, userId="nobody") == []
    assert users(operator, agentId=str(ObjectId())) == []


def test_filters_of_time_and_reason(operator: Api) -> None:
    ids = store(6)
    times = [session["createdAt"] for session in page(operator)["sessions"]]
    reasons = ["Solved", "Spam", "Solved", None, "Told", "Solved"]
    for session_id, reason in zip(ids, reasons, strict=True):
        Session.objects(id=session_id).update(set__end_reason=reason)
    Session.objects(id=ids[4]).update(set__internal_reason="Spam")

    def found(**query: Any) -> list[int]:
        return [ids.index(session_id) for some in all_pages(operator, limit=2, **query) for session_id in some]

    assert found(**{"from": times[3], "to": times[0]}) == [1, 2, 3]
    assert found(**{"from": times[1]}) == [0, 1]
    assert found(to=times[4]) == [5]
    assert found(reason="Solved") == [0, 2, 5]
    assert found(reason=" Spam ", **{"from": times[4]}) == [1, 4]
    assert found(reason="Told") == []
    assert found(reason="Solved", status="active") == []


def test_an_agent_sees_its_own_sessions_and_a_user_none(apis: Apis, operator: Api, some: dict[str, str]) -> None:
    ada = apis.agent(some["ada"])

    assert users(ada) == ["u1", "u3"]
    assert users(ada, agentId=some["ada"], status="active") == ["u1"]
    assert users(ada, userId="u2") == []
    assert_failure(ada.get("/api/chat/sessions", agentId=some["ben"]), 403, "FORBIDDEN")
    assert_failure(apis.user("u1").get("/api/chat/sessions"), 403, "FORBIDDEN")
    assert_failure(apis.user("u1").get("/api/chat/sessions", userId="u1"), 403, "FORBIDDEN")
    assert_failure(apis.anonymous().get("/api/chat/sessions"), 401, "AUTH_REQUIRED")


def test_a_cursor_shows_an_agent_nothing_of_others(apis: Apis, operator: Api, some: dict[str, str]) -> None:
    cursor = page(operator, limit=1)["nextCursor"]

    assert users(apis.agent(some["ada"]), cursor=cursor) == ["u1", "u3"]


@pytest.mark.parametrize(("count", "limit"), [(4, 5), (5, 5), (6, 5), (10, 5), (11, 5), (3, 1)])
def test_the_pages_contain_every_session_once(operator: Api, count: int, limit: int) -> None:
    ids = store(count)

    pages = all_pages(operator, limit=limit)

    assert [session_id for ids in pages for session_id in ids] == ids
    assert all(len(ids) == limit for ids in pages[:-1])
    assert len(pages) == -(-count // limit)


def test_sessions_of_the_same_millisecond_are_neither_repeated_nor_missed(operator: Api) -> None:
    older, same = now() - timedelta(seconds=1), now()
    ids = store(7, createdAt=same) + store(4, createdAt=older)

    seen = [session_id for ids in all_pages(operator, limit=3) for session_id in ids]

    assert len(seen) == len(set(seen)) == 11
    assert set(seen) == set(ids)
    assert set(seen[:7]) == set(ids[:7])


def test_sessions_that_start_between_two_pages_move_nothing(operator: Api) -> None:
    ids = store(9)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for number in range(3):
        answer = page(operator, limit=3, **cursor)
        seen += [session["id"] for session in answer["sessions"]]
        cursor = {"cursor": answer["nextCursor"]} if answer["nextCursor"] else {}
        operator.start(f"new{number}")
        operator.end(operator.start(f"newer{number}")["sessionId"])

    assert seen == ids
    assert cursor == {}
    assert len([session_id for ids in all_pages(operator, limit=4) for session_id in ids]) == 15


def test_a_session_that_ends_while_the_list_is_read_is_shown_once(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = operator.start("u1")["sessionId"]
    just_after(monkeypatch, lists, "_agents_of", lambda: operator.end(waiting))

    (session,) = page(operator)["sessions"]

    assert (session["status"], session["queuePosition"]) == ("waiting", 1)


BAD = [
    ({"status": "open"}, "INVALID_STATUS"),
    ({"status": ""}, "INVALID_STATUS"),
    ({"agentId": "nobody"}, "AGENT_NOT_FOUND"),
    ({"from": "yesterday"}, "INVALID_RANGE"),
    ({"to": "2026-13-01"}, "INVALID_RANGE"),
    ({"from": "2026-02-01", "to": "2026-02-01"}, "INVALID_RANGE"),
    ({"reason": ""}, "INVALID_REASON"),
    ({"reason": "r" * 201}, "INVALID_REASON"),
    ({"userId": ""}, "INVALID_USER_ID"),
    ({"userId": "u" * 129}, "INVALID_USER_ID"),
    *(({"limit": limit}, "INVALID_LIMIT") for limit in ("0", "101", "-1", "x", "", "1.5", "1e1", "٣")),
    *(
        ({"cursor": cursor}, "INVALID_CURSOR")
        for cursor in ("", "x", "1", "1-", "-" + "0" * 24, "1-" + "0" * 23, "1-" + "G" * 24, "9" * 15 + "-" + "0" * 24)
    ),
]


def test_bad_queries(operator: Api, subtests: pytest.Subtests) -> None:
    for query, code in BAD:
        with subtests.test(query=query):
            status = 404 if code == "AGENT_NOT_FOUND" else 400
            assert_failure(operator.get("/api/chat/sessions", **query), status, code)
    assert page(operator, cursor="99999999999999-" + "f" * 24)["sessions"] == []
    assert page(operator, limit="100")["sessions"] == []


FILTERS: list[tuple[Caller, dict[str, str]]] = [
    (API_KEY_CALLER, {}),
    *((API_KEY_CALLER, {"status": status}) for status in ("waiting", "active", "ended")),
    (API_KEY_CALLER, {"agentId": str(AGENTS[0])}),
    (API_KEY_CALLER, {"agentId": str(AGENTS[0]), "status": "active"}),
    (API_KEY_CALLER, {"userId": "s7"}),
    (API_KEY_CALLER, {"from": "2000-01-01", "to": "2100-01-01", "status": "ended"}),
    (API_KEY_CALLER, {"reason": "Rare"}),
    (API_KEY_CALLER, {"reason": "Rare", "status": "ended", "from": "2000-01-01"}),
    (Caller(str(AGENTS[0]), AGENT), {}),
    (Caller(str(AGENTS[0]), AGENT), {"status": "active"}),
    (Caller(str(AGENTS[0]), AGENT), {"status": "ended"}),
]


def test_an_index_serves_every_filter_in_order(operator: Api, subtests: pytest.Subtests) -> None:
    collection = Session.collection()
    for number, agent_id in enumerate(AGENTS):
        store(100, agentId=agent_id)
        status = STATUSES[number % len(STATUSES)]
        latest = {"userId": {"$in": [f"s{place}" for place in range(number * 3, number * 3 + 3)]}, "agentId": agent_id}
        collection.update_many(latest, {"$set": {"status": status}})
    collection.update_one({"agentId": AGENTS[0], "userId": "s99"}, {"$set": {"status": "active"}})
    collection.update_many({"userId": "s60"}, {"$set": {"endReason": "Rare"}})
    collection.update_many({"userId": "s70"}, {"$set": {"internalReason": "Rare"}})
    middle = collection.find_one({"userId": "s50"})
    for caller, filters in FILTERS:
        for cursor in ({}, {"cursor": pages.cursor_of(middle["createdAt"], middle["_id"])}):
            with subtests.test(caller=str(caller), filters=filters, cursor=bool(cursor)):
                wanted = SessionFilter.parse({**filters, **cursor, "limit": "10"})
                query = pages.after(lists._query(caller, wanted), wanted.cursor, time="createdAt")
                plan = collection.find(query, sort=NEWEST_FIRST, limit=11).explain()
                stages = str(plan["queryPlanner"]["winningPlan"])
                assert "'IXSCAN'" in stages
                assert "'SORT'" not in stages
                assert "'COLLSCAN'" not in stages
                assert plan["executionStats"]["totalDocsExamined"] <= 11 + len(AGENTS), "those of the cursor's time"


def test_a_list_shows_places_without_reading_the_whole_queue(operator: Api) -> None:
    """Two came to the front, and others are before, between and behind those that are listed."""
    waiting = [operator.start(f"u{number}")["sessionId"] for number in range(6)]
    Session.collection().update_many(
        {"_id": {"$in": [ObjectId(waiting[1]), ObjectId(waiting[4])]}}, {"$set": {"queuePriority": FRONT}}
    )
    for user, place in (("u1", 1), ("u4", 2), ("u0", 3), ("u2", 4), ("u3", 5), ("u5", 6)):
        (row,) = data_of(operator.get("/api/chat/sessions", userId=user))["sessions"]
        assert row["queuePosition"] == place

    rows = data_of(operator.get("/api/chat/sessions", limit=4))["sessions"]

    assert [row["queuePosition"] for row in rows] == [6, 2, 5, 4]
