"""Everything breaks, again and again, while people talk: what clients were told is what the database holds.

A round is a fault (tests/chaos/faults.py) under the load of visitors and agents, on two server processes. Then all
come to an end, and the checks follow: each acknowledged message is stored once, with its seq, without a gap, and is
shown by the visitor's client; none was acknowledged after its session's acknowledged end; nobody held more than they
may, not even for a moment; slots match sessions; nobody waits beside a free slot of an agent who may have them; nobody
was overtaken at an agent who may have both; and within a while each client shows the state of its sessions as it is.
After the last round, the feed has each change exactly once, and a receiver of webhooks got each event.

Without ROUNDS there is one round of each fault. `make chaos` runs ROUNDS (50) of them and prints totals. SEED (a random
one, printed) repeats what is done; not how the processes interleave.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.chaos import faults, feed
from tests.chaos.faults import Fault
from tests.chaos.ledger import Ledger
from tests.chaos.people import Agent, Participant, Visitor, operators
from tests.chaos.totals import Totals
from tests.chaos.watching import Watcher
from tests.chaos.world import DATABASE, World
from tests.e2e.followers import Followers
from tests.invariants import violations

ROUNDS = int(os.environ.get("ROUNDS") or 0)
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1_000_000))
VISITORS = 10 if ROUNDS else 6
MESSAGES = 60 if ROUNDS else 10
"""The least number of acknowledged messages before the fault, and again after it."""
TOLD_LATE_SECONDS = 5.0
SETTLE_SECONDS = 90.0
"""The reconciler runs every minute, so by then it has repaired and announced everything."""
STOP_SECONDS = 150.0

totals = Totals()


def rounds_of(kinds: Sequence[Fault]) -> list[Fault]:
    """Return the faults to try: each once, or their share of ROUNDS."""
    count = max(len(kinds), round(ROUNDS * len(kinds) / len(faults.ALL)))
    return [kinds[number % len(kinds)] for number in range(count)]


class Round:
    """One fault under load, and the checks."""

    def __init__(self, world: World, followers: Followers, number: int, chance: random.Random) -> None:
        self._world = world
        self._ledger = Ledger()
        self._watcher = Watcher(world.database_set.uri, DATABASE)
        self.agents = [Agent(world.servers, followers, self._ledger, name, chance) for name in world.agent_ids]
        for agent in self.agents:
            agent.colleagues = [name for name in world.agent_ids if name != agent.agent_id]
        visitors = [
            Visitor(world.servers, followers, self._ledger, f"round-{number}-visitor-{n}", world.departments, chance)
            for n in range(VISITORS)
        ]
        self._people: list[Participant] = [*visitors, *self.agents]

    def run(self, fault: Fault, chance: random.Random) -> list[str]:
        """Run it, and return the faults found."""
        for person in self._people:
            person.start()
        self._wait_for_messages(MESSAGES)
        fault(self._world, chance)
        self._wait_for_messages(MESSAGES)
        for person in self._people:
            person.stop()
        for person in self._people:
            person.wait(STOP_SECONDS)
        found, late, never = self._settle()
        self._watcher.stop()
        ledger, watcher = self._ledger, self._watcher
        broken = ledger.broken(self._world.database)
        counts = {
            "acknowledged": len(ledger.messages),
            "stored": ledger.count_stored(self._world.database),
            "broken": len(broken),
            "deliveries": sum(len(chat.follower.messages) for chat in ledger.chats.values()),
            "assignments": watcher.assignments,
            "overtakings": len(watcher.overtakings),
            "late": late,
            "never": never,
        }
        outage = max(person.longest_outage for person in self._people)
        totals.add(fault.__name__.replace("_", " "), outage, counts)
        return [*broken, *found, *watcher.overfull, *watcher.overtakings]

    def end(self) -> None:
        """Let everybody leave, and end open sessions."""
        for person in self._people:
            person.stop()
        self._watcher.stop()
        for agent in self.agents:
            agent.follower.close()
        for chat in self._ledger.chats.values():
            chat.follower.close()
        (operator, _) = operators(self._world.servers)
        for session in self._world.database.sessions.find({"status": {"$ne": "ended"}}):
            operator.post(f"/api/chat/end-session/{session['_id']}")

    def _wait_for_messages(self, count: int) -> None:
        known = len(self._ledger.messages)
        deadline = time.monotonic() + STOP_SECONDS
        while len(self._ledger.messages) < known + count:
            for person in self._people:
                if person.fault is not None:
                    raise person.fault
            assert time.monotonic() < deadline, [person.state() for person in self._people]
            time.sleep(0.02)

    def _settle(self) -> tuple[list[str], int, int]:
        """Wait until everybody was told. Returns the faults, and how many were told late and never."""
        begun, late = time.monotonic(), 0
        while True:
            untold = [*self._ledger.untold(self._world.database), *self._agents_untold()]
            found = [*untold, *violations(self._world.database)]
            waited = time.monotonic() - begun
            if waited > TOLD_LATE_SECONDS and not late:
                late = len(untold)
            if not found or waited > SETTLE_SECONDS:
                return found, late - len(untold) if found else late, len(untold)
            time.sleep(0.2)

    def _agents_untold(self) -> list[str]:
        found = []
        for agent in self.agents:
            query = {"status": "active", "agentId": agent.object_id}
            true = {str(session["_id"]) for session in self._world.database.sessions.find(query, {"_id": 1})}
            view = agent.view()
            for session_id in sorted(view ^ true):
                what = "still shows" if session_id in view else "does not show"
                found.append(f"agent {agent.agent_id} {what} {session_id}: {agent.follower.history(session_id)}")
        return found


def run(kinds: Sequence[Fault], directory: Path, followers: Followers, **world_as: Any) -> None:
    """Run the rounds of these faults. Fails at the first that leaves something wrong or, with ROUNDS, at the end."""
    world = World(directory, **world_as)
    try:
        assert (wrong := _run(kinds, world, followers)) == [], f"SEED={SEED}\n" + "\n".join(wrong)
    finally:
        world.stop()
        print(f"\n{totals}")


def _run(kinds: Sequence[Fault], world: World, followers: Followers) -> list[str]:
    print(f"\nROUNDS={ROUNDS} SEED={SEED}")
    wrong = []
    for number, fault in enumerate(rounds_of(kinds)):
        chance = random.Random(f"{SEED}-{fault.__name__}-{number}")
        current = Round(world, followers, number, chance)
        begun = time.monotonic()
        try:
            found = current.run(fault, chance)
        except AssertionError as error:
            found = [str(error)]
        finally:
            current.end()
        print(f"{fault.__name__}: {time.monotonic() - begun:.0f} s, {len(found)} wrong", *found, sep="\n", flush=True)
        wrong += [f"{fault.__name__}: {sentence}" for sentence in found]
        if wrong and not ROUNDS:
            break
    wrong += feed.violations_that_stay(world.database)
    return wrong + world.receiver.violations_that_stay(world.servers[0].operator(), world.database)
