"""Read a history in pages: by offset, and after or before a seq."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api import Api, Apis, assert_failure, data_of


def fill(operator: Api, session_id: str, count: int) -> None:
    for number in range(1, count + 1):
        assert operator.send(session_id, f"message {number}").status_code == 201


def read(api: Api, session_id: str, **query: Any) -> tuple[list[int], dict[str, Any]]:
    """Return the seqs of a page, and its `pagination`."""
    data = data_of(api.get(f"/api/chat/messages/{session_id}", **query))
    assert set(data) == {"sessionId", "messages", "pagination"}
    assert data["sessionId"] == session_id
    assert [message["message"] for message in data["messages"]] == [
        f"message {message['seq']}" for message in data["messages"]
    ]
    return [message["seq"] for message in data["messages"]], data["pagination"]


def test_an_empty_history_is_an_empty_page(operator: Api, session_id: str) -> None:
    for query in ({}, {"offset": 5}, {"after": 0}, {"after": 9}, {"before": 1}, {"before": 9}):
        seqs, pagination = read(operator, session_id, **query)

        assert seqs == []
        assert (pagination["total"], pagination["limit"], pagination["hasMore"]) == (0, 50, False)


def test_a_message_is_read_as_it_was_sent(apis: Apis, session_id: str) -> None:
    user = apis.user("u1")
    sent = data_of(user.send(session_id, "message 1", clientMessageId="c1"))["message"]

    assert data_of(user.get(f"/api/chat/messages/{session_id}"))["messages"] == [sent]


def test_a_page_has_50_messages_and_100_at_most(operator: Api, session_id: str) -> None:
    fill(operator, session_id, 101)

    assert read(operator, session_id) == (
        list(range(1, 51)),
        {"total": 101, "limit": 50, "offset": 0, "hasMore": True},
    )
    assert read(operator, session_id, limit=100)[0] == list(range(1, 101))
    assert read(operator, session_id, limit=100)[1]["hasMore"] is True
    assert read(operator, session_id, limit=100, offset=1)[1]["hasMore"] is False
    assert read(operator, session_id, limit=100, offset=100) == (
        [101],
        {"total": 101, "limit": 100, "offset": 100, "hasMore": False},
    )


def test_five_messages_are_paged(operator: Api, session_id: str, subtests: pytest.Subtests) -> None:
    fill(operator, session_id, 5)

    for query, seqs, offset, has_more in [
        ({}, [1, 2, 3, 4, 5], 0, False),
        ({"limit": 5}, [1, 2, 3, 4, 5], 0, False),
        ({"limit": 4}, [1, 2, 3, 4], 0, True),
        ({"limit": 2, "offset": 2}, [3, 4], 2, True),
        ({"limit": 2, "offset": 3}, [4, 5], 3, False),
        ({"offset": 4}, [5], 4, False),
        ({"offset": 5}, [], 5, False),
        ({"offset": 2**53 - 1}, [], 2**53 - 1, False),
        ({"after": 0, "limit": 1}, [1], 0, True),
        ({"after": 2}, [3, 4, 5], 2, False),
        ({"after": 2, "limit": 2}, [3, 4], 2, True),
        ({"after": 2, "limit": 3}, [3, 4, 5], 2, False),
        ({"after": 5}, [], 5, False),
        ({"after": 2**53 - 1}, [], 2**53 - 1, False),
        ({"before": 6}, [1, 2, 3, 4, 5], 0, False),
        ({"before": 4}, [1, 2, 3], 0, False),
        ({"before": 4, "limit": 3}, [1, 2, 3], 0, False),
        ({"before": 4, "limit": 2}, [2, 3], 1, True),
        ({"before": 2**53 - 1, "limit": 1}, [5], 4, True),
        ({"before": 1}, [], 0, False),
        ({"before": 0}, [], 0, False),
        ({"after": 2, "offset": 1}, [3, 4, 5], 2, False),
        ({"unknown": "x"}, [1, 2, 3, 4, 5], 0, False),
    ]:
        with subtests.test(query=query, seqs=seqs, offset=offset, has_more=has_more):
            read_seqs, pagination = read(operator, session_id, **query)

            assert read_seqs == seqs
            assert pagination == {
                "total": 5,
                "limit": query.get("limit", 50),
                "offset": offset,
                "hasMore": has_more,
            }


@pytest.mark.parametrize("way", ["offset", "after", "before"])
def test_following_the_pages_reads_everything_once(operator: Api, session_id: str, way: str) -> None:
    fill(operator, session_id, 7)
    position, has_more, pages = (8 if way == "before" else 0), True, 0
    seen: list[int] = []

    while has_more:
        seqs, pagination = read(operator, session_id, limit=2, **{way: position})
        has_more = pagination["hasMore"]
        seen += seqs
        position = {"offset": position + len(seqs), "after": seqs[-1], "before": seqs[0]}[way]
        pages += 1

    assert sorted(seen) == [1, 2, 3, 4, 5, 6, 7]
    assert pages == 4


def test_the_history_outlives_the_session(apis: Apis, operator: Api, session_id: str) -> None:
    fill(operator, session_id, 3)
    operator.end(session_id)

    assert read(apis.user("u1"), session_id)[0] == [1, 2, 3]


NO_NUMBERS = [
    "",
    " ",
    "x",
    "1.5",
    "1e1",
    "-1",
    "+1",
    " 1",
    "1 ",
    "0x1",
    "٣",
    "²",
    "NaN",
    "null",
    "true",
    "[1]",
    '{"$gt":1}',
    "9" * 17,
    "9" * 400,
    "\x00",
]


def test_an_invalid_limit_is_refused(operator: Api, session_id: str, subtests: pytest.Subtests) -> None:
    for limit in [*NO_NUMBERS, "0", "101", "1000"]:
        with subtests.test(limit=limit):
            assert_failure(operator.get(f"/api/chat/messages/{session_id}", limit=limit), 400, "INVALID_LIMIT")


def test_an_invalid_offset_is_refused(operator: Api, session_id: str, subtests: pytest.Subtests) -> None:
    for offset in [*NO_NUMBERS, str(2**53)]:
        with subtests.test(offset=offset):
            assert_failure(operator.get(f"/api/chat/messages/{session_id}", offset=offset), 400, "INVALID_OFFSET")


def test_an_invalid_cursor_is_refused(operator: Api, session_id: str, subtests: pytest.Subtests) -> None:
    for cursor in [*NO_NUMBERS, str(2**53)]:
        with subtests.test(cursor=cursor):
            for name in ("after", "before"):
                assert_failure(
                    operator.get(f"/api/chat/messages/{session_id}", **{name: cursor}), 400, "INVALID_CURSOR"
                )


def test_after_and_before_together_are_refused(operator: Api, session_id: str) -> None:
    response = operator.get(f"/api/chat/messages/{session_id}", after=1, before=3)

    assert_failure(response, 400, "INVALID_CURSOR")
