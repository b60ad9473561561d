"""A receiver of webhooks, in a process that may be killed. It verifies each event and keeps it in a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from chatsupport.database.clock import now
from tests.e2e.rest import Rest
from tests.e2e.server import STOP_SECONDS, free_port

TYPES = ["*"]
COMPLETE_SECONDS = 60.0
ROOT = Path(__file__).parents[2]


class Receiver:
    """The process, what it received, and what the feed says that it must receive."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._port = free_port()
        self._secret = ""
        self._process: subprocess.Popen[bytes] | None = None
        self.requests = self.events = 0

    def register(self, operator: Rest) -> None:
        """Make the webhook. From now on, every change has an event."""
        webhook = {"url": f"http://127.0.0.1:{self._port}/hook", "types": TYPES}
        self._secret = operator.post("/api/webhooks", webhook).data["secret"]

    def start(self) -> None:
        """Start the process, the first time or again."""
        command = [sys.executable, "-m", __name__, str(self._port), str(self._file), self._secret]
        self._process = subprocess.Popen(command, cwd=ROOT)

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)

    def violations_that_stay(self, operator: Rest, database: Any) -> list[str]:
        """Return what is wrong with the deliveries once they had time to become complete."""
        deadline = time.monotonic() + COMPLETE_SECONDS
        while (found := self._violations(operator)) and time.monotonic() < deadline:
            # As if the pauses after failures, which grow to hours, were over.
            database.deliveries.update_many({"nextAt": {"$gt": now()}}, {"$set": {"nextAt": now()}})
            time.sleep(1)
        print(f"{self.events} events, which the receiver got in {self.requests} requests; {len(found)} wrong")
        return found

    def _violations(self, operator: Rest) -> list[str]:
        received: dict[str, set[tuple[str, str]]] = {}
        lines = self._file.read_text("utf-8").splitlines() if self._file.exists() else []
        self.requests = len(lines)
        for line in lines:
            event_id, body = json.loads(line)
            # The data of an event that is sent again is as it is then.
            told = json.loads(body)
            received.setdefault(event_id, set()).add((told["type"], told["timestamp"]))
        wrong = [f"two events have the id {event_id}" for event_id, found in received.items() if len(found) > 1]
        expected = {event["id"]: event for event in _feed(operator)}
        self.events = len(expected)
        wrong += [f"the receiver never got {event}" for event_id, event in expected.items() if event_id not in received]
        return wrong + [f"no event has the id {event_id}" for event_id in received.keys() - expected.keys()]


def _feed(operator: Rest) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    has_more = True
    while has_more:
        page = operator.get("/api/events", after=events[-1]["position"] if events else 0, limit=100).data
        events += page["events"]
        has_more = page["hasMore"]
    return events


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        file, secret = sys.argv[2:]
        try:
            Webhook(secret).verify(raw, {name.lower(): value for name, value in self.headers.items()})
        except WebhookVerificationError as error:
            self._answer(400, str(error))
            return
        line = json.dumps([self.headers["webhook-id"], raw.decode()]) + "\n"
        # One write, so that a kill leaves whole lines.
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, line.encode())
        os.close(descriptor)
        self._answer(204)

    def _answer(self, status: int, text: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer.daemon_threads = True
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), _Handler).serve_forever()
