"""What a process remembers of denials, and until when it trusts that."""

from __future__ import annotations

from typing import Any

import pytest

from chatsupport.services.people import denial_memory
from chatsupport.services.people.denial_memory import KEPT_SECONDS, SETTLED_SECONDS, TRUSTED_SECONDS, DenialMemory

REVOKED = {"_id": "revoked:user:u1", "before": 5}
IDS = ("revoked:user:u1", "block:user:u1")


class Clock:
    """A monotonic clock that stands still until a test moves it."""

    time = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(denial_memory, "elapsed", lambda: clock.time)
    return clock


@pytest.fixture
def memory(clock: Clock) -> DenialMemory:
    memory = DenialMemory(lambda: True)
    memory.trust_from(clock.time)
    return memory


def remember(memory: DenialMemory, *found: dict[str, Any], ids: tuple[str, ...] = IDS) -> None:
    memory.remember(ids, found, memory.state)


def test_what_was_found_is_remembered_and_what_was_not(memory: DenialMemory) -> None:
    assert memory.recall(IDS) is None
    remember(memory)
    assert memory.recall(IDS) == []
    remember(memory, REVOKED)
    assert memory.recall(IDS) == [REVOKED]
    assert memory.recall((*IDS, "block:user:u2")) is None


def test_it_is_trusted_until_two_seconds_after_the_last_look_began(memory: DenialMemory, clock: Clock) -> None:
    remember(memory)
    clock.time += TRUSTED_SECONDS - 0.001
    assert memory.recall(IDS) == []
    clock.time += 0.001
    assert memory.recall(IDS) is None
    # A look that was under way while the process stood still, and another one that was not.
    memory.trust_from(clock.time - 60)
    assert memory.recall(IDS) is None
    memory.trust_from(clock.time)
    assert memory.recall(IDS) == []
    assert SETTLED_SECONDS > TRUSTED_SECONDS


def test_nothing_is_trusted_while_nobody_would_wait_for_this_process(clock: Clock) -> None:
    announced = [True]
    memory = DenialMemory(lambda: announced[0])
    memory.trust_from(clock.time)
    remember(memory)
    announced[0] = False
    assert memory.recall(IDS) is None
    announced[0] = True
    assert memory.recall(IDS) == []


def test_what_was_read_before_something_was_forgotten_is_not_remembered(memory: DenialMemory) -> None:
    before = memory.state
    memory.forget(["block:user:u1"])
    memory.remember(IDS, [], before)
    assert memory.recall(IDS) is None
    remember(memory)
    memory.forget(["block:user:u1"])
    assert memory.recall(IDS) is None


def test_what_may_be_taken_back_is_looked_up_each_time(memory: DenialMemory) -> None:
    for taken_back in ("block:user:u1", "signed-out:t", "identified:user:guest-1"):
        remember(memory, {"_id": taken_back}, ids=(taken_back,))
        assert memory.recall([taken_back]) is None
    remember(memory, ids=("agent:a",))
    assert memory.recall(["agent:a"]) is None, "an agent may be created"
    remember(memory, {"_id": "agent:a"}, ids=("agent:a",))
    assert memory.recall(["agent:a"]) == [{"_id": "agent:a"}]


def test_a_survey_tells_who_has_no_denial(memory: DenialMemory, clock: Clock) -> None:
    memory.remember_all(["block:user:u2"], memory.state)
    assert memory.recall(IDS) == []
    for unknown in ("block:user:u2", "signed-out:t", "identified:user:guest-1", "agent:a"):
        assert memory.recall([*IDS, unknown]) is None
    remember(memory, REVOKED)
    assert memory.recall(IDS) == [REVOKED]

    clock.time += KEPT_SECONDS + 0.001
    memory.trust_from(clock.time)
    assert memory.recall(IDS) is None


def test_what_is_forgotten_is_looked_up_in_spite_of_a_survey(memory: DenialMemory) -> None:
    before = memory.state
    memory.remember_all([], before)
    memory.forget(["block:user:u1"])
    assert memory.recall(IDS) is None
    assert memory.recall(["block:user:u2"]) == []

    memory.remember_all([], before)
    assert memory.recall(IDS) is None, "that survey began before"
    memory.remember_all([], memory.state)
    assert memory.recall(IDS) == []


def test_it_keeps_nothing_for_long_and_not_too_much(
    memory: DenialMemory, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(memory)
    clock.time += KEPT_SECONDS + 0.001
    memory.trust_from(clock.time)
    assert memory.recall(IDS) is None

    monkeypatch.setattr(denial_memory, "MOST", 3)
    for name in "abcd":
        remember(memory, ids=(f"block:user:{name}",))
    assert memory.recall(["block:user:a"]) is None
    assert memory.recall([f"block:user:{name}" for name in "bcd"]) == []
