"""How long users waited for an agent's answer, from a session's messages."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from chatsupport.services.sessions.end_statistics import response_statistics

START = datetime(2026, 1, 2, tzinfo=timezone.utc)


def statistics(*messages: tuple[str, float]) -> float | None:
    return response_statistics((sender_type, START + timedelta(seconds=seconds)) for sender_type, seconds in messages)


@pytest.mark.parametrize(
    "messages",
    [
        (),
        (("user", 0),),
        (("user", 0), ("user", 5)),
        (("agent", 0), ("user", 5)),
        (("agent", 0), ("agent", 5)),
        (("user", 0), ("system", 5)),
        (("system", 0), ("agent", 5)),
    ],
)
def test_there_is_no_mean_without_an_answer(messages: tuple[tuple[str, float], ...]) -> None:
    assert statistics(*messages) is None


def test_the_next_message_of_an_agent_is_the_answer() -> None:
    assert statistics(("user", 0), ("agent", 4)) == 4.0
    assert statistics(("user", 0), ("agent", 4), ("agent", 60)) == 4.0
    assert statistics(("agent", 0), ("user", 10), ("agent", 13)) == 3.0


def test_a_message_of_a_system_is_not_an_answer() -> None:
    assert statistics(("user", 0), ("system", 1), ("agent", 4)) == 4.0


def test_every_message_of_a_user_counts_up_to_the_same_answer() -> None:
    assert statistics(("user", 0), ("user", 2), ("agent", 4)) == 3.0


def test_the_mean_covers_all_answered_messages() -> None:
    assert statistics(("user", 0), ("agent", 1), ("user", 10), ("agent", 16), ("user", 20)) == 3.5


def test_the_mean_has_milliseconds() -> None:
    assert statistics(("user", 0), ("agent", 0.0014), ("user", 1), ("agent", 1.0013)) == 0.001


def test_an_answer_in_the_same_millisecond_took_no_time() -> None:
    assert statistics(("user", 0), ("agent", 0)) == 0.0
