"""Visitors and agents of a busy day, with everything that each was told."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from typing import Any

from bson import ObjectId

from tests.chaos.ledger import Ledger
from tests.conftest import API_KEY
from tests.e2e.followers import Follower, Followers
from tests.e2e.people import PATIENCE_SECONDS, Person
from tests.e2e.rest import Reply, Rest
from tests.e2e.server import Server

SENT = (200, 201)
SLOWER = 1 if os.environ.get("ROUNDS") else 3
"""How many times longer people pause in the one round of `make test`, which other tests run beside."""
ROOM_EVENTS = ("session_joined", "agent_assigned", "session_unassigned", "session_ended")
AGENT_EVENTS = ("session_assigned", *ROOM_EVENTS)


class Participant(Person):
    """Somebody with a token, who calls any of the servers and has a socket to one."""

    def __init__(self, servers: Sequence[Server], followers: Followers, ledger: Ledger, seed: int) -> None:
        super().__init__([server.anonymous() for server in servers], seed)
        self.servers = servers
        self.followers = followers
        self.ledger = ledger

    def sign_in(self, user_id: str, user_type: str) -> str:
        """Get a token from one of the servers, and call with it from now on."""
        self._servers = [server.operator() for server in self.servers]
        body = {"userId": user_id, "userType": user_type}
        token: str = self.answered(lambda server: server.post("/api/auth/token", body)).data["token"]
        self._servers = [server.bearer(token) for server in self.servers]
        return token

    def send(self, session_id: str, text: str) -> bool:
        """Send a message over REST. False if it was refused: the session has ended, or now has another agent."""
        self.ledger.sending(session_id, text)
        reply = self.answered(lambda server: server.send(session_id, text, clientMessageId=text))
        if reply.status in SENT:
            self.ledger.sent(reply.data["message"])
        else:
            self.ledger.refused(text, reply)
        return reply.status in SENT

    def end(self, session_id: str) -> bool:
        """End a session, and check that no server accepts messages for it. False if it now has another agent."""
        reply = self.answered(lambda server: server.post(f"/api/chat/end-session/{session_id}"))
        if reply.status != 200:
            assert reply.status == 403, reply
            return False
        self.ledger.ended(session_id)
        self.try_late(session_id)
        return True

    def try_late(self, session_id: str) -> None:
        """Send to an ended session, through each of the servers."""
        for number, server in enumerate(self._servers):
            text = f"late-{session_id}-{number}-{self.ledger.number()}"
            self.ledger.sending(session_id, text)
            late = self.answered(
                lambda _, server=server, text=text: server.send(session_id, text, clientMessageId=text)
            )
            if late.status in SENT:
                self.ledger.sent(late.data["message"])


class Visitor(Participant):
    """Comes, asks, and ends the chat or waits for the agent to end it. Then comes again as somebody else."""

    def __init__(
        self,
        servers: Sequence[Server],
        followers: Followers,
        ledger: Ledger,
        name: str,
        departments: Sequence[str],
        generator: random.Random,
    ) -> None:
        super().__init__(servers, followers, ledger, generator.randrange(10**6))
        self._name = name
        self._departments = [None, *departments]
        self._chats = 0
        self._follower: Follower | None = None
        self.step = ""

    def state(self) -> str:
        return f"{self._name}: {self.step}"

    def go_on(self) -> None:
        """Have one chat."""
        chance = self._random
        name = f"{self._name}-{self._chats}"
        self._chats += 1
        self.step = "signing in"
        token = self.sign_in(name, "user")
        self.step = "starting"
        body = {"userId": name, "departmentId": chance.choice(self._departments)}
        reply = self.answered(lambda server: server.post("/api/chat/start-session", body))
        assert reply.status in SENT, reply
        session_id: str = reply.data["sessionId"]
        server = chance.choice(self.servers)
        transports = chance.choice([["websocket"], ["polling", "websocket"]])
        follower = self.followers.follow(
            server.url, {"token": token}, session_id, events=ROOM_EVENTS, transports=transports
        )
        self.ledger.started(session_id, reply.data, follower)
        self.step = "talking"
        self._follower = follower
        if not self._talk(session_id, name, chance.randrange(3, 9)):
            return
        # The visitor or the agent ends the chat, or the visitor stays until the round is over.
        if chance.random() < 0.5:
            time.sleep(chance.uniform(0, 0.5))
        if chance.random() < 0.7:
            self.step = "ending"
            self.end(session_id)

    def try_late(self, session_id: str) -> None:
        """Send by the socket first, because a message over REST would make its process read the session."""
        self._send_by_socket(session_id, f"late-{session_id}-{self.ledger.number()}")
        super().try_late(session_id)

    def _talk(self, session_id: str, name: str, count: int) -> bool:
        """Send some messages, over REST and by the socket. False if the session has ended in the meantime."""
        for number in range(count):
            send = self.send if self._random.random() < 0.5 else self._send_by_socket
            if not send(session_id, f"{name}-{number}"):
                return False
            time.sleep(SLOWER * self._random.uniform(0, 0.05))
        return True

    def _send_by_socket(self, session_id: str, text: str) -> bool:
        """Send a message by the socket. False if it was refused because the session has ended."""
        follower = self._follower
        assert follower is not None
        self.ledger.sending(session_id, text)
        follower.send(text, text)
        begun = time.monotonic()
        while text not in follower.sent and not follower.failures:
            time.sleep(0.005)
            assert time.monotonic() - begun < PATIENCE_SECONDS, f"{self._name} hears nothing of {text}"
        self.longest_outage = max(self.longest_outage, time.monotonic() - begun)
        if text in follower.sent:
            self.ledger.sent(follower.sent[text])
        return text in follower.sent


class Agent(Participant):
    """Answers its visitors, ends some chats and transfers others."""

    def __init__(
        self, servers: Sequence[Server], followers: Followers, ledger: Ledger, agent_id: str, generator: random.Random
    ) -> None:
        super().__init__(servers, followers, ledger, generator.randrange(10**6))
        self.agent_id = agent_id
        token = self.sign_in(agent_id, "agent")
        self._server = generator.choice(servers)
        self.follower = followers.connect(self._server.url, {"token": token}, AGENT_EVENTS, transports=["websocket"])
        self.colleagues: list[str] = []
        self._taken = 0
        self._view: set[str] = set()
        self._left: dict[str, int] = {}

    @property
    def object_id(self) -> ObjectId:
        """Its id, as the database has it."""
        return ObjectId(self.agent_id)

    def state(self) -> str:
        return f"agent {self.agent_id} with {self._view}"

    def view(self) -> set[str]:
        """Return the sessions that it believes to have, like a console: from a list on connecting, then from events."""
        events = self.follower.events
        while self._taken < len(events):
            name, data = events[self._taken]
            self._taken += 1
            if name == "connect":
                self._read_list()
            elif name == "session_assigned":
                self._add(data["id"])
            elif name != "session_unassigned" and self._is_mine(data):
                self._view.add(data["sessionId"])
            elif name != "session_unassigned" or data["agentId"] == self.agent_id:
                # Every other event of a session means that the agent no longer has it. So does a refused join.
                self._view.discard(data["sessionId"])
        return set(self._view)

    def _is_mine(self, data: dict[str, Any]) -> bool:
        return data.get("agentId") == self.agent_id and data.get("status", "active") == "active"

    def go_on(self) -> None:
        """Do something in one of its chats."""
        chance = self._random
        mine = sorted(self.view())
        if not mine:
            time.sleep(0.02)
            return
        session_id = chance.choice(mine)
        what = chance.choices(["answer", "end", "hand on", "hand back"], [5, 3, 1, 1])[0]
        if what == "answer":
            self.send(session_id, f"answer-{self.agent_id}-{self.ledger.number()}")
        elif what == "end":
            self.end(session_id)
        else:
            to = chance.choice(self.colleagues) if what == "hand on" else None
            reply = self.answered(lambda server: server.post(f"/api/chat/transfer/{session_id}", {"agentId": to}))
            # 400: the colleague gets no sessions of its department.
            assert reply.status in (200, 403, 409) or reply.body["code"] == "INVALID_DEPARTMENT", reply
        time.sleep(SLOWER * chance.uniform(0.02, 0.15))

    def _add(self, session_id: str) -> None:
        # Also one that it already shows, because it may have been removed from the room.
        self._view.add(session_id)
        self.follower.follow(session_id, None)

    def _read_list(self) -> None:
        reply: Reply = self.answered(
            lambda server: server.get("/api/chat/sessions", status="active", agentId=self.agent_id, limit=100)
        )
        self._view = set()
        for session in reply.data["sessions"]:
            self._add(session["id"])


def operators(servers: Sequence[Server]) -> list[Rest]:
    """Return clients with the API key, one for each server."""
    return [server.anonymous(**{"X-API-Key": API_KEY}) for server in servers]
