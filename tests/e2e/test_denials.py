"""Whoever is denied in one process is refused in the other one, from the answer on: with a Redis and without."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from chatsupport.services.people.denial_memory import TRUSTED_SECONDS
from tests.api import make_token
from tests.e2e import commands
from tests.e2e.pairs import Both, two_processes
from tests.e2e.rest import Rest
from tests.e2e.server import Servers, wait_until

STATS, IDENTIFY = "/api/chat/stats", "/api/auth/identify"


@pytest.fixture(scope="module", params=["with Redis", "without"])
def both(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Both]:
    if request.param == "with Redis":
        with two_processes(servers) as pair:
            yield pair
    else:
        first = servers.start()
        second = servers.start(MONGODB_DB=first.database)
        yield first, second
        first.clean_up()
        second.clean_up()


class Callers:
    """Callers that never stop asking."""

    def __init__(self, *clients: Rest) -> None:
        self._over = threading.Event()
        self.let_in = 0
        """How many calls that began after `from_now_on` were answered."""
        self.calls = 0
        self._is_denied = False
        self._threads = [threading.Thread(target=self._run, args=(client,), daemon=True) for client in clients]
        for thread in self._threads:
            thread.start()

    def _run(self, client: Rest) -> None:
        while not self._over.is_set():
            is_denied = self._is_denied
            status = client.get(STATS).status
            self.calls += 1
            self.let_in += is_denied and status == 200

    def from_now_on(self) -> None:
        """Nobody may be let in any more."""
        self._is_denied = True

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(90)


@pytest.mark.parametrize("way", ["block", "revoke", "logout", "identify", "delete", "command"])
def test_nobody_is_let_in_after_the_answer(both: Both, way: str) -> None:
    here, there = both
    operator = here.operator()
    agent_id = operator.create_agent(way)
    is_agent = way in ("delete", "command")
    name = f"guest-{way}" if way == "identify" else f"racer-{way}"
    token = make_token(agent_id, "agent") if is_agent else make_token(name)
    first: threading.Thread | None = None
    callers = Callers(*(there.bearer(token) for _ in range(4)))
    try:
        wait_until(lambda: callers.calls > 40)
        if way == "block":
            assert operator.post("/api/blocks", {"userId": "racer-block"}).status == 201
        elif way == "revoke":
            assert operator.post("/api/auth/revoke", {"userId": "racer-revoke"}).status == 200
        elif way == "logout":
            assert here.bearer(token).post("/api/auth/logout").status == 200
        elif way == "identify":
            user = make_token("somebody")
            first = threading.Thread(target=here.bearer(user).post, args=(IDENTIFY, {"guestToken": token}))
            first.start()
            # As when the first answer is lost: whichever of the two comes first stores it.
            assert here.bearer(user).post(IDENTIFY, {"guestToken": token}).status == 200
        elif way == "delete":
            assert operator.request("DELETE", f"/api/agents/{agent_id}").status == 200
        else:
            assert commands.run(here, "agents", "remove", agent_id, "--yes").returncode == 0
        callers.from_now_on()
        calls = callers.calls
        wait_until(lambda: callers.calls > calls + 40)
    finally:
        callers.stop()
        if first is not None:
            first.join(90)
    assert callers.let_in == 0


def test_a_process_that_stood_still_trusts_nothing_that_it_remembers(both: Both) -> None:
    here, there = both
    user = there.bearer(make_token("frozen"))
    for _ in range(3):
        assert user.get(STATS).status == 200
    with there.frozen():
        assert here.operator().post("/api/blocks", {"userId": "frozen"}).status == 201
    assert user.get(STATS).body["code"] == "BLOCKED"


def test_a_denial_waits_only_for_processes_that_do_not_answer(both: Both) -> None:
    here, there = both
    assert there.bearer(make_token("quick")).get(STATS).status == 200

    def seconds() -> float:
        began = time.monotonic()
        assert here.operator().post("/api/auth/revoke", {"userId": "quick"}).status == 200
        return time.monotonic() - began

    if "REDIS_URL" in here.environment:
        wait_until(lambda: seconds() < TRUSTED_SECONDS)
    else:
        assert seconds() > TRUSTED_SECONDS
    with there.frozen():
        assert seconds() > TRUSTED_SECONDS
