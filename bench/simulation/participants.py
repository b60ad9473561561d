"""Visitors and agents of a simulation: threads with real Socket.IO clients, which know only the server's address."""

from __future__ import annotations

import contextlib
import random
import threading
import time
import uuid
from typing import Any

import socketio

from bench.simulation.tally import Tally
from chatsupport.cli.rest import RefusedError, Rest

ACK_SECONDS = 15.0
AGENT_SECONDS = 60.0
ATTEMPTS = 5
PAGE = 100
QUESTIONS = (
    "Where is my parcel?",
    "How do I return this?",
    "Is it still in stock?",
    "My code does not work.",
    "Thanks!",
)
ANSWERS = (
    "Let me have a look.",
    "One moment, please.",
    "I have sent it to you.",
    "That should do it.",
    "You are welcome.",
)


class Stage:
    """The common state of all participants: the server, the counts, the pace, and the end."""

    def __init__(self, rest: Rest, tally: Tally, pause: float) -> None:
        self.rest, self.tally, self.pause = rest, tally, pause
        self.over = threading.Event()

    def call(self, method: str, path: str, body: dict[str, Any] | None = None, **headers: str) -> dict[str, Any]:
        """Call the server. After a rate limit, wait as long as it says."""
        while True:
            try:
                return self.rest.call(method, path, body, **headers)
            except RefusedError as error:
                if error.code != "RATE_LIMITED" or self.over.is_set():
                    raise
                self.tally.add("limited")
                self.over.wait(error.retry_after or 1.0)

    def think(self) -> None:
        """Wait as long as a person needs to write, or until the simulation is over."""
        self.over.wait(self.pause * random.uniform(0.5, 1.5))

    def token(self, user_id: str, user_type: str) -> str:
        """Return a token."""
        token: str = self.call("POST", "/api/auth/token", {"userId": user_id, "userType": user_type})["token"]
        return token


class Participant:
    """One socket, which reconnects by itself and repeats unacknowledged messages."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._client = socketio.Client(handle_sigint=False, reconnection_delay=0.5, reconnection_delay_max=5)
        self._client.on("new_message", self.on_message)

    def on_message(self, message: dict[str, Any]) -> None:
        """Handle a message of a joined session."""
        raise NotImplementedError

    def connect(self, token: str) -> None:
        """Connect, again and again until it succeeds or the simulation is over."""
        while not self.stage.over.is_set():
            with contextlib.suppress(socketio.exceptions.ConnectionError):
                self._client.connect(self.stage.rest.url, auth={"token": token}, transports=["websocket"])
                return
            self.stage.tally.add("refused")
            self.stage.over.wait(2.0)

    def join(self, session_id: str) -> dict[str, Any]:
        """Enter a session's room, and return the answer."""
        answer: dict[str, Any] = self._client.call(
            "join_session", {"sessionId": session_id, "lean": True}, timeout=ACK_SECONDS
        )
        return answer

    def enter(self, session_id: str) -> None:
        """Enter a session's room, or let the next connection do it."""
        with contextlib.suppress(socketio.exceptions.SocketIOError, OSError):
            self.join(session_id)

    def send(self, session_id: str, text: str) -> bool:
        """Send a message until it is acknowledged. False if the server refuses it or never answers."""
        stage, client_message_id = self.stage, uuid.uuid4().hex
        payload = {"sessionId": session_id, "message": text, "clientMessageId": client_message_id}
        stage.tally.add("sent")
        for attempt in range(ATTEMPTS):
            if attempt:
                stage.tally.add("retries")
            started = time.monotonic()
            try:
                answer = self._client.call("send_message", payload, timeout=ACK_SECONDS)
            except (socketio.exceptions.SocketIOError, OSError):
                stage.over.wait(1.0)
                continue
            if answer["success"]:
                stage.tally.acknowledged(session_id, client_message_id, time.monotonic() - started)
                return True
            if answer["code"] in ("SESSION_ENDED", "FORBIDDEN"):
                stage.tally.add("late")
                return False
            if answer["code"] not in ("RATE_LIMITED", "DATABASE_UNAVAILABLE"):
                break
            stage.over.wait(2.0)
        stage.tally.add("unacknowledged")
        return False

    def leave(self) -> None:
        """Close the socket."""
        with contextlib.suppress(socketio.exceptions.SocketIOError, OSError):
            self._client.shutdown() if self._client.connected else self._client.disconnect()


class Agent(Participant):
    """Enters each assigned session, and answers every message."""

    def __init__(self, stage: Stage, name: str, max_users: int) -> None:
        super().__init__(stage)
        self.id: str = stage.call("POST", "/api/agents", {"name": name, "maxUsers": max_users})["id"]
        self._client.on("session_assigned", self._take)
        # Rooms belong to a connection, so the sessions are entered again after a new one.
        self._client.on("connect", self._return)
        self._sessions: set[str] = set()
        self.connect(stage.token(self.id, "agent"))

    def _take(self, session: dict[str, Any]) -> None:
        self._sessions.add(session["id"])
        self.enter(session["id"])

    def _return(self) -> None:
        for session_id in list(self._sessions):
            self._take({"id": session_id})

    def on_message(self, message: dict[str, Any]) -> None:
        self.stage.tally.add("received")
        if message["senderType"] == "user" and not self.stage.over.is_set():
            self.stage.think()
            self.send(message["sessionId"], random.choice(ANSWERS))

    def delete(self) -> None:
        """Leave, and delete the agent."""
        self.leave()
        with contextlib.suppress(RefusedError, OSError):
            self.stage.rest.call("DELETE", f"/api/agents/{self.id}")


class Visitor(Participant):
    """Has one chat: comes, waits for an agent, writes, reads, ends, and checks that everything is in the history."""

    def __init__(self, stage: Stage, messages: int) -> None:
        super().__init__(stage)
        self._messages = messages
        self._assigned = threading.Event()
        self._seen: set[int] = set()
        self._client.on("agent_assigned", lambda _: self._assigned.set())

    def on_message(self, message: dict[str, Any]) -> None:
        tally = self.stage.tally
        tally.add("seen_twice" if message["seq"] in self._seen else "received")
        self._seen.add(message["seq"])

    def chat(self) -> None:
        """Have the chat. An error is counted, and ends only this chat."""
        stage, session_id, state = self.stage, None, "waiting"
        stage.tally.add(state)
        try:
            user_id = f"simulated-{uuid.uuid4().hex[:12]}"
            token = stage.token(user_id, "user")
            bearer = {"Authorization": f"Bearer {token}"}
            expected = stage.call("GET", "/api/chat/availability", **bearer)["estimatedWaitSeconds"]
            started = time.monotonic()
            # Not by the visitor, who would have to answer the questions before a chat.
            session = stage.call("POST", "/api/chat/start-session", {"userId": user_id})
            session_id = session["sessionId"]
            self._client.on("connect", lambda: self.enter(session_id))
            self.connect(token)
            if self.join(session_id).get("data", {}).get("status") != "active":
                deadline = time.monotonic() + AGENT_SECONDS
                while not (self._assigned.wait(0.2) or stage.over.is_set() or time.monotonic() > deadline):
                    pass
            if session["status"] == "waiting" and expected is not None and self._assigned.is_set():
                stage.tally.waited(expected, time.monotonic() - started)
            stage.tally.add(state, -1)
            state = "chatting"
            stage.tally.add(state)
            for _ in range(self._messages):
                stage.think()
                if stage.over.is_set():
                    break
                self.send(session_id, random.choice(QUESTIONS))
            stage.think()
        except (RefusedError, OSError, socketio.exceptions.SocketIOError) as error:
            stage.tally.failed(str(error))
        finally:
            stage.tally.add(state, -1)
            self._finish(session_id)

    def _finish(self, session_id: str | None) -> None:
        try:
            if session_id is not None:
                self.stage.rest.call("POST", f"/api/chat/end-session/{session_id}", {"reason": "Simulation"})
                expected = self.stage.tally.acknowledged_of(session_id)
                self.stage.tally.check(session_id, expected, self._history(session_id))
        except (RefusedError, OSError):
            self.stage.tally.add("unchecked")
        self.leave()
        self.stage.tally.add("done")

    def _history(self, session_id: str) -> list[str]:
        ids: list[str] = []
        after, more = 0, True
        while more:
            path = f"/api/chat/messages/{session_id}?limit={PAGE}&after={after}"
            page = self.stage.rest.call("GET", path)["messages"]
            ids += [message["clientMessageId"] for message in page if "clientMessageId" in message]
            more = len(page) == PAGE
            after = page[-1]["seq"] if page else after
        return ids
