"""`python -m bench.webhooks`: how fast one webhook gets events, and what it costs chats that somebody listens.

- **backlog**: a webhook is enabled when many messages wait for it. Events a second, and CPU for each.
- **live**: 1 000 messages a second, in turns while nobody listens, while changes are recorded for a listener that wants
  none of these, and while a webhook gets all of them. CPU ms are for one message; the lag is from a message to its
  arrival at the receiver.

The receiver is `receiver.py`, by TLS, since production has no webhooks without.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from bench import processes, report
from bench.client import ChatSocket, Http
from bench.processes import API_KEY, LOAD_CORE, Base, Mongod, Ours, end, free_port, start, wait_until
from bench.scenarios.openloop import OpenLoop
from bench.stage import Result, Sending, Stage, join_all, leave_all, start_sessions, window

SESSIONS, IN_PROGRESS = 100, 4
RATE = 1000
DONE_SECONDS = 120.0
LIVE = {"nobody listens": [], "recorded": ["agent.deleted"], "delivered": ["message.created"]}


class Receiver:
    """The receiver's process."""

    def __init__(self, directory: Path, certificate: Path) -> None:
        self.port = free_port()
        self._context = ssl.create_default_context(cafile=str(certificate))
        key = certificate.with_name("key.pem")
        command = [sys.executable, "-m", "bench.receiver", str(self.port), str(certificate), str(key)]
        self._process = start(command, LOAD_CORE, {}, directory / "receiver.txt")
        wait_until(self._answers, f"the receiver did not start: see {directory}")

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/hook"

    def figures(self) -> dict[str, Any]:
        """Return what it has received so far."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=self._context)
        connection.request("GET", "/")
        figures: dict[str, Any] = orjson.loads(connection.getresponse().read())
        connection.close()
        return figures

    def has(self, count: int) -> bool:
        """Tell whether it has received so many events."""
        time.sleep(0.1)
        return int(self.figures()["events"]) >= count

    def stop(self) -> None:
        end(self._process)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self.figures())
        return False


def main() -> None:
    """Print a line for each round and case."""
    parser = argparse.ArgumentParser(prog="python -m bench.webhooks", description=__doc__)
    parser.add_argument("--events", type=int, default=10_000, help="the messages of the backlog")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each live case is measured")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", choices=["backlog", "live"])
    parser.add_argument("--base", metavar="REVISION", help="a commit to run in turns with the files as they are now")
    options = parser.parse_args()
    processes.pin_load()
    if options.base:
        Base.revision = processes.commit_of(options.base)
    mongod = Mongod()
    with tempfile.TemporaryDirectory(prefix="chat-bench-") as directory:
        certificate = _certificate(Path(directory))
        mongod.start()
        try:
            for number in range(1, options.rounds + 1):
                for side in [Base, Ours] if options.base else [Ours]:
                    for case in _cases(options.only):
                        result = _run(side, case, mongod, Path(directory), certificate, options)
                        print(report.line(case, side.name, number, result), flush=True)
        finally:
            mongod.stop()


def _cases(only: str | None) -> list[str]:
    return [*(["backlog"] if only != "live" else []), *(LIVE if only != "backlog" else [])]


def _run(
    side: type[Ours], case: str, mongod: Mongod, directory: Path, certificate: Path, options: argparse.Namespace
) -> Result:
    with _server(side, mongod, directory, certificate) as server:
        receiver = Receiver(directory, certificate)
        try:
            stage = Stage(server, options.seconds, name="webhooks")
            if case == "backlog":
                return asyncio.run(_backlog(stage, receiver, options.events))
            return asyncio.run(_live(stage, receiver, LIVE[case]))
        finally:
            receiver.stop()


@contextlib.contextmanager
def _server(side: type[Ours], mongod: Mongod, directory: Path, certificate: Path) -> Iterator[Ours]:
    class Sending(side):  # type: ignore[misc, valid-type]
        def command(self) -> tuple[list[str], dict[str, str]]:
            command, environment = super().command()
            return command, {**environment, "WEBHOOK_ALLOW": "127.0.0.1", "SSL_CERT_FILE": str(certificate)}

    server = Sending(mongod, "bench-webhooks", directory / side.name)
    mongod.drop(server.database)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        mongod.drop(server.database)


async def _backlog(stage: Stage, receiver: Receiver, count: int) -> Result:
    http = Http(stage.server.port, **{"X-API-Key": API_KEY})
    webhook = await http.post("/api/webhooks", {"url": receiver.url, "types": ["message.created"]})
    path = f"/api/webhooks/{webhook['id']}"
    await http.patch(path, {"isEnabled": False})
    await _send_all(stage, count)
    await asyncio.sleep(1.5)
    with window(stage.server) as measured:
        await http.patch(path, {"isEnabled": True})
        await _until_received(receiver, count)
    http.close()
    figures = receiver.figures()
    result = measured.result(count, [])
    result["per_second"] = count / figures["seconds"]
    return {**_chosen(result, "per_second", "cpu_ms", "commands"), **_of_receiver(figures)}


async def _live(stage: Stage, receiver: Receiver, types: list[str]) -> Result:
    http = Http(stage.server.port, **{"X-API-Key": API_KEY})
    if types:
        await http.post("/api/webhooks", {"url": receiver.url, "types": types})
    result = await OpenLoop(RATE).run(stage)
    figures: dict[str, Any] = {}
    if types == ["message.created"]:
        stats = await http.get("/api/chat/stats")
        await _until_received(receiver, stats["messages"]["total"])
        figures = _of_receiver(receiver.figures())
    http.close()
    return {**_chosen(result, "per_second", "p50", "p95", "cpu_ms", "commands", "lost"), **figures}


async def _send_all(stage: Stage, count: int) -> None:
    """Let many chats send messages as fast as they can."""
    chats = await start_sessions(stage, SESSIONS)
    await join_all(stage, chats, 1)
    sending, done = Sending(), asyncio.get_running_loop().create_future()
    left = {"to send": count, "to come": count}

    def send(socket: ChatSocket, session_id: str) -> None:
        if left["to send"]:
            left["to send"] -= 1
            sending.send(socket, session_id)

    def came(socket: ChatSocket, session_id: str) -> None:
        left["to come"] -= 1
        if not left["to come"]:
            done.set_result(None)
        send(socket, session_id)

    sending.on_own = came
    for chat in chats:
        sending.listen(chat.sockets[0])
        for _ in range(IN_PROGRESS):
            send(chat.sockets[0], chat.session_id)
    await done
    leave_all(chats)


async def _until_received(receiver: Receiver, count: int) -> None:
    deadline = time.monotonic() + DONE_SECONDS
    while not await asyncio.to_thread(receiver.has, count):
        if time.monotonic() > deadline:
            raise SystemExit(f"of {count} events, the receiver got {receiver.figures()}")


def _chosen(result: Result, *names: str) -> Result:
    return {name: result[name] for name in names}


def _of_receiver(figures: dict[str, Any]) -> Result:
    return {
        "lag_p50": figures["lag_p50"] * 1000,
        "lag_p95": figures["lag_p95"] * 1000,
        "requests": figures["requests"],
        "connections": figures["connections"],
        "disordered": figures["disordered"],
        "receiver_cpu_ms": 1000 * figures["cpu"] / figures["requests"],
    }


def _certificate(directory: Path) -> Path:
    certificate = directory / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "1", "-subj", "/CN=receiver", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(directory / "key.pem"), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate


if __name__ == "__main__":
    main()
