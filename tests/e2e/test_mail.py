"""Mails of two server processes that are killed at any moment: none is lost, and two of the same have the same id.

`ROUNDS=50` kills as often, and prints the totals.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.e2e.server import Server, Servers, wait_until
from tests.features.mail.mail_server import Mail, MailServer

pytestmark = pytest.mark.features("mail", "context")

ROUNDS = int(os.environ.get("ROUNDS", "1"))
SESSIONS = 4
"""How many visitors get an answer in each round."""
NOTED_AFTER = 10.0
"""Seconds in which a process on a slow machine notes that a mail was taken."""
LONGEST_SECONDS = 120.0
"""Until a mail is sent whose process was killed: its lease and its claim run out, and others look once in a while."""


@pytest.fixture
def mails() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.stop()


class Killer:
    """Kills one of the processes: when a mail is taken and not yet answered, or some time after the answers."""

    def __init__(self, servers: list[Server], mails: MailServer, chance: random.Random) -> None:
        self._servers, self._chance = servers, chance
        self._mutex = threading.Lock()
        self.kills: list[float] = []
        mails.before_answer = self._on_mail
        self._is_armed = False

    def arm(self) -> None:
        """Kill a process when the next mail is taken."""
        self._is_armed = True

    def _on_mail(self) -> None:
        with self._mutex:
            if self._is_armed:
                self._is_armed = False
                self.kill()

    def kill(self) -> None:
        """Kill one process now."""
        server = self._chance.choice([server for server in self._servers if server.is_running])
        self.kills.append(time.monotonic())
        server.kill()

    def may_have_interrupted(self, mail: Mail) -> bool:
        """Tell whether a process was killed about when this mail was taken: before it could note that."""
        return any(at - NOTED_AFTER < mail.at < at + 1 for at in self.kills)


@pytest.mark.timeout(300 + 30 * ROUNDS)
def test_no_mail_is_lost_and_none_is_sent_twice_under_two_ids(servers: Servers, mails: MailServer) -> None:
    seed = int(os.environ.get("SEED", random.randrange(10**6)))
    print(f"SEED={seed}")
    chance = random.Random(seed)
    env = {"SMTP_URL": mails.url, "MAIL_FROM": "chat@example.com", "MAIL_AFTER": "1", "PUBLIC_URL": "{url}"}
    first = servers.start(**env)
    both = [first, servers.start(**env, MONGODB_DB=first.database)]
    agent_id = first.operator().create_agent("Ada", maxUsers=50)
    killer = Killer(both, mails, chance)
    expected: set[str] = set()
    for number in range(ROUNDS):
        sessions = []
        for place in range(SESSIONS):
            operator, name = both[place % 2].operator(), f"v{number}-{place}"
            # Addressed by a user's own start: one with an API key would vouch for the user.
            visitor = both[place % 2].bearer(operator.token(name))
            body = {"userId": name, "visitor": {"email": f"{name}@example.com"}}
            sessions.append(visitor.request("POST", "/api/chat/start-session", body).data["sessionId"])
            assert operator.send(sessions[-1], "Hello!", senderId=agent_id, senderType="agent").status == 201
            expected.add(f"{name}@example.com")
        if number % 2 == 0:
            killer.arm()
            wait_until(lambda: not all(server.is_running for server in both), LONGEST_SECONDS)
        else:
            time.sleep(chance.uniform(0, 5))
            killer.kill()
        for session_id in sessions:
            survivor = next(server for server in both if server.is_running)
            assert survivor.operator().post(f"/api/chat/end-session/{session_id}", {}).status == 200
        if number + 1 < ROUNDS:
            next(server for server in both if not server.is_running).start()
    received = lambda: {mail.recipients[0] for mail in mails.got}  # noqa: E731
    wait_until(lambda: received() == expected, LONGEST_SECONDS, lambda: f"lost: {sorted(expected - received())}")
    time.sleep(0 if ROUNDS == 1 else 20)

    ids = Counter(mail.id for mail in mails.got)
    twice = {mail_id for mail_id, count in ids.items() if count > 1}
    print(f"kills {len(killer.kills)}, mails {len(expected)}, twice {len(twice)}, lost {len(expected - received())}")
    assert len(ids) == len(expected)
    first_of = {mail.id: mail for mail in reversed(mails.got)}
    assert all(killer.may_have_interrupted(first_of[mail_id]) for mail_id in twice)
