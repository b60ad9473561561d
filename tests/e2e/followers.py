"""Clients in Node that follow the recipe of docs/events.md (js/recipe.js)."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Sequence
from typing import Any

from tests.e2e.server import wait_until
from tests.e2e.sockets import JS_DIRECTORY


class Follower:
    """One client, with everything that it has shown its user."""

    def __init__(self, followers: Followers, number: int, session_id: str) -> None:
        self._followers = followers
        self._number = number
        self._session_id = session_id
        self.messages: list[dict[str, Any]] = []
        self.sent: dict[str, dict[str, Any]] = {}
        self.failures: list[dict[str, Any]] = []
        self.events: list[tuple[str, Any]] = []
        """The events that were asked for, ("connect", None) whenever it has connected, and ("failure", envelope)."""
        self.connections = 0
        self.disconnections: list[str] = []

    @property
    def seqs(self) -> list[int]:
        """The seqs of the messages it has shown."""
        return [message["seq"] for message in list(self.messages)]

    def history(self, session_id: str) -> str:
        """Return the events of a session in short, for a failure's text."""
        found = []
        for name, data in self.events:
            if data is None or session_id in (data.get("sessionId"), data.get("id")):
                details = [
                    str(data[field]) for field in ("status", "agentId", "reason", "code") if data and data.get(field)
                ]
                found.append(f"{name}({', '.join(details)})")
        return f"{self.connections} connections: {' '.join(found[-8:])}"

    def follow(self, session_id: str, last_seq: int | None = 0) -> None:
        """Let it follow one more session."""
        self._followers.command("follow", self._number, sessionId=session_id, lastSeq=last_seq)

    def send(self, text: str, client_message_id: str) -> None:
        """Let it send a message until it is acknowledged; `sent` says so."""
        fields = {"sessionId": self._session_id, "text": text, "clientMessageId": client_message_id}
        self._followers.command("send", self._number, **fields)

    def close(self) -> None:
        """Disconnect it."""
        self._followers.command("close", self._number)

    def take(self, entry: dict[str, Any]) -> None:
        """Record an event of this client."""
        if "message" in entry:
            self.messages.append(entry["message"])
        elif "sent" in entry:
            self.sent[entry["sent"]["clientMessageId"]] = entry["sent"]
        elif "failure" in entry:
            self.failures.append(entry["failure"])
            self.events.append(("failure", entry["failure"]))
        elif "disconnected" in entry:
            self.disconnections.append(entry["disconnected"])
        elif "event" in entry:
            self.events.append((entry["event"], entry["data"]))
        else:
            self.connections += 1
            self.events.append(("connect", None))

    def wait_for_seq(self, seq: int, seconds: float = 60.0) -> None:
        """Wait until it has shown this many messages."""

        def state() -> str:
            return (
                f"{len(self.messages)} of {seq} messages, the last {self.seqs[-3:]}; "
                f"failures {self.failures}; {self.connections} connections, {self.disconnections[-3:]}"
            )

        wait_until(lambda: len(self.messages) >= seq, seconds, state)


class Followers:
    """The Node process of the clients."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["node", "followers.js"], cwd=JS_DIRECTORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._mutex = threading.Lock()
        self._followers: list[Follower] = []
        threading.Thread(target=self._read, daemon=True).start()

    def connect(
        self, url: str, auth: Any, events: Sequence[str] = (), session_id: str = "", **options: Any
    ) -> Follower:
        """Connect a new client. `events` are recorded, and `options` are those of socket.io-client."""
        with self._mutex:
            number = len(self._followers)
            self._followers.append(Follower(self, number, session_id))
        self.command("connect", number, url=url, auth=auth, options=options, events=events)
        return self._followers[number]

    def follow(
        self,
        url: str,
        auth: Any,
        session_id: str,
        last_seq: int | None = 0,
        *,
        events: Sequence[str] = (),
        **options: Any,
    ) -> Follower:
        """Let a new client follow a session."""
        follower = self.connect(url, auth, events, session_id, **options)
        follower.follow(session_id, last_seq)
        return follower

    def command(self, command: str, number: int, **fields: Any) -> None:
        """Send a command to one of them."""
        assert self._process.stdin is not None
        with self._mutex:
            self._process.stdin.write(json.dumps({"do": command, "client": number, **fields}) + "\n")
            self._process.stdin.flush()

    def stop(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(40)
        finally:
            self._process.kill()
            self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                entry = json.loads(line)
                self._followers[entry["client"]].take(entry)
