"""`python -m bench.explain [--write]`: MongoDB's work for each call and event, read from its own profiler.

Fills a database, has a real server do everything once over REST and sockets, and lists every kind of command that
reached MongoDB with its plan. Nothing here repeats a query of the server, so nothing can be out of date. A call of the
OpenAPI document that is not made here is an error. `--write` puts the table into docs/performance.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

import pymongo

from bench import old, processes, report
from bench.client import Http, Message
from bench.processes import API_KEY, Mongod, Ours
from bench.stage import TEXT, Stage, add_agents, join_all, start_sessions
from chatsupport.errors import DatabaseUnavailableError

OLD_SESSIONS, MESSAGES_EACH, AGENTS = 20_000, 5, 200
PROFILE_BYTES = 256 * 1024 * 1024
PASSWORD = "a long enough password"
NO_QUERIES = {
    "/",
    "/api/asyncapi.json",
    "/api/docs",
    "/api/openapi.json",
    "/console",
    "/demo",
    "/mail",
    "/unsubscribe",
    "/web/{version}/{path}",
    "/widget.js",
}
PUBLIC_KEY = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
HEAD = """\
| collection | command | asks for | plan | keys | documents | returned | times |
| --- | --- | --- | --- | ---: | ---: | ---: | ---: |"""


class Hurried(Ours):
    """Ours, with timed work that finds something to do at once."""

    def command(self) -> tuple[list[str], dict[str, str]]:
        command, environment = super().command()
        soon = {"AGENT_GRACE": "1", "NO_REPLY_AFTER": "2", "IDLE_END_AFTER": "20", "RETENTION_DAYS": "1"}
        return command, {**environment, **soon, "WEBHOOK_ALLOW": "127.0.0.1"}


class Caller(Http):
    """A connection that notes what it calls."""

    called: set[tuple[str, str]] = set()  # noqa: RUF012 - of all of them

    async def _call(self, method: str, path: str, body: bytes) -> Message:
        self.called.add((method, path.partition("?")[0]))
        try:
            return await super()._call(method, path, body)
        except RuntimeError as error:
            if DatabaseUnavailableError.code not in str(error):
                raise
            # A report of everything may take too long on a busy machine. The next one finds a part of it done.
            return await super()._call(method, path, body)


def main() -> None:
    """Print the table."""
    mongod = Mongod()
    with tempfile.TemporaryDirectory(prefix="chat-bench-") as directory:
        mongod.start()
        server = Hurried(mongod, "bench-explain", Path(directory, "server"))
        try:
            server.start()
            with pymongo.MongoClient(mongod.uri) as client:
                database = client[server.database]
                old.fill(database, OLD_SESSIONS, MESSAGES_EACH)
                missing = asyncio.run(_work(Stage(server, 1.0, name="explain"), database))
                table = "\n".join([HEAD, *_plans(database)])
        finally:
            server.stop()
            mongod.drop("bench-explain")
            mongod.stop()
    print(table)
    if missing:
        sys.exit(f"Not called: {', '.join(missing)}")
    if "--write" in sys.argv:
        report.write(report.PAGE, table, "explain")


async def _work(stage: Stage, database: Any) -> list[str]:
    """Do everything once while MongoDB records its commands. Return the calls that were left out."""
    port = stage.server.port
    await add_agents(stage, AGENTS)
    # MongoDB's own collection would keep only the last megabyte.
    database.create_collection("system.profile", capped=True, size=PROFILE_BYTES)
    database.command("profile", 2)
    operator = Caller(port, **{"X-API-Key": API_KEY})
    try:
        chats = await start_sessions(stage, 5)
        await join_all(stage, chats, 2)
        for chat in chats:
            user = Caller(port, Authorization=f"Bearer {chat.token}")
            path = f"/api/chat/send-message/{chat.session_id}"
            for number in range(3):
                await user.post(path, {"message": TEXT, "clientMessageId": str(number)})
            await user.post(path, {"message": TEXT, "clientMessageId": "0"})
            for part in ({"limit": 2, "offset": 1}, {"after": 1}, {"before": 3}):
                await user.get(f"/api/chat/messages/{chat.session_id}", **part)
            await user.get(f"/api/chat/session/{chat.session_id}")
            await user.get("/api/chat/session/current")
            socket = chat.sockets[0]
            for event, fields in {
                "typing_start": {},
                "typing_stop": {},
                "send_message": {"message": TEXT},
                "mark_read": {"seq": 2},
                "leave_session": {},
            }.items():
                socket.emit(event, {"sessionId": chat.session_id, **fields})
            user.close()
        await _operate(operator, port, chats[0].session_id, chats[0].user_id)
        rater = Caller(port, Authorization=f"Bearer {chats[0].token}")
        await rater.post(f"/api/chat/rating/{chats[0].session_id}", {"score": 5})
        rater.close()
        for chat in chats[1:4]:
            user = Caller(port, Authorization=f"Bearer {chat.token}")
            await user.post(f"/api/chat/end-session/{chat.session_id}")
            await user.post("/api/auth/logout")
            user.close()
        with urllib.request.urlopen(_with_key(f"http://127.0.0.1:{port}/metrics")) as answer:
            Caller.called.add(("GET", "/metrics"))
            assert answer.status == 200
        # Timed work: leases run out, nobody replies, the last session is idle.
        await asyncio.sleep(26.0)
    finally:
        database.command("profile", 0)
    return _not_called(port)


async def _operate(operator: Caller, port: int, session_id: str, user_id: str) -> None:
    """Do everything that agents, operators and guests do."""
    fields = {"name": "Ada", "email": "ada@example.com", "password": PASSWORD, "role": "supervisor"}
    agent_id = (await operator.post("/api/agents", fields))["id"]
    await operator.post(f"/api/chat/transfer/{session_id}", {"agentId": agent_id})
    anybody = Caller(port)
    await anybody.get("/api/auth/sign-in-options")
    await anybody.get("/api/chat/availability")
    await anybody.get("/api/health")
    token = (await anybody.post("/api/auth/login", {"email": fields["email"], "password": PASSWORD}))["token"]
    agent = Caller(port, Authorization=f"Bearer {token}")
    await _use_features(operator, agent, anybody, session_id)
    await _use_departments(operator)
    for status in ({}, {"status": "active"}, {"userId": user_id}, {"agentId": agent_id, "status": "active"}):
        await agent.get("/api/chat/sessions", limit=2, **status)
    page = await operator.get("/api/chat/sessions", limit=2)
    await operator.get("/api/chat/sessions", limit=2, cursor=page["nextCursor"])
    await agent.get("/api/chat/queue")
    await agent.get("/api/chat/stats")
    await agent.patch(f"/api/agents/{agent_id}", {"isOnline": True})
    await agent.post(f"/api/chat/send-message/{session_id}", {"message": TEXT})
    await agent.post(f"/api/chat/transfer/{session_id}", {})
    page = await operator.get("/api/agents", limit=2)
    await operator.get("/api/agents", limit=2, cursor=page["nextCursor"])
    await operator.get(f"/api/agents/{agent_id}")
    await operator.get("/api/reports/summary", bucket="day")
    made = await anybody.post("/api/auth/token", {"guest": True})
    guest = made["token"]
    visitor = Caller(port, Authorization=f"Bearer {guest}")
    await visitor.post("/api/chat/start-session", {"userId": made["userId"]})
    known = (await anybody.post("/api/auth/token", {"userId": "somebody"}))["token"]
    person = Caller(port, Authorization=f"Bearer {known}")
    await person.post("/api/auth/identify", {"guestToken": guest})
    block = await operator.post("/api/blocks", {"userId": "someone-else"})
    await operator.get("/api/blocks")
    await operator.delete(f"/api/blocks/{block['id']}")
    await operator.post("/api/auth/revoke", {"userId": "someone-else"})
    await operator.get("/api/users/old-7/export")
    await operator.get("/api/users/export", userId="old-8")
    await operator.delete("/api/users/old-7")
    await operator.delete("/api/users?userId=somebody")
    for which in ({}, {"sessionId": session_id}, {"agentId": agent_id}, {"userId": user_id}, {"action": "sign_in"}):
        await operator.get("/api/audit", **which)
    await operator.delete(f"/api/agents/{agent_id}")
    for caller in (anybody, agent, visitor, person):
        caller.close()


async def _use_features(operator: Caller, agent: Caller, anybody: Caller, session_id: str) -> None:
    """Do what the features add for people at a desk."""
    port = operator._port
    await operator.get("/api/events", after=0)
    hook = (await operator.post("/api/webhooks", {"url": "https://127.0.0.1:9/hook", "types": ["*"]}))["id"]
    await operator.patch(f"/api/chat/session/{session_id}", {"visitor": {"name": "Zoe", "email": "zoe@example.com"}})
    await operator.post(f"/api/chat/notes/{session_id}", {"text": "Has called before."})
    await operator.get(f"/api/chat/notes/{session_id}")
    await operator.put(f"/api/chat/tags/{session_id}", {"tags": ["vip"]})
    await operator.get("/api/tags")
    await operator.get("/api/chat/sessions", limit=2, tag="vip")
    for query in ({"q": TEXT}, {"q": "vip zoe", "status": "waiting"}):
        await operator.get("/api/chat/search", **query)
    reply = (await operator.post("/api/replies", {"shortcut": "hi", "title": "Hello", "text": "Hello!"}))["id"]
    await operator.get("/api/replies")
    await operator.patch(f"/api/replies/{reply}", {"text": "Good day!"})
    await operator.delete(f"/api/replies/{reply}")
    settings = await operator.get("/api/settings")
    await operator.put("/api/settings", settings)
    await agent.get("/api/push/key")
    keys = {"p256dh": PUBLIC_KEY, "auth": "A" * 22}
    await agent.put("/api/push/subscription", {"endpoint": "https://push.example.com/1", "keys": keys})
    await agent.delete("/api/push/subscription")
    await _send_file(port, session_id)
    await _download(port, f"/api/chat/transcript/{session_id}")
    await anybody.get("/api/mail")
    for path, body in {
        "/api/mail/unsubscribe": {"token": "none"},
        "/api/mail/unsubscribe/one-click": {"token": "none"},
        "/api/auth/forgot-password": {"email": "ada@example.com"},
        "/api/auth/reset-password": {"token": "none", "password": PASSWORD},
        f"/api/chat/transcript/{session_id}/mail": {"email": "zoe@example.com"},
    }.items():
        with contextlib.suppress(RuntimeError):  # No mails are sent here.
            await operator.post(path, body)
    path = f"/api/webhooks/{hook}"
    await operator.get("/api/webhooks")
    await operator.get(path)
    await operator.patch(path, {"description": "desk"})
    await operator.post(f"{path}/rotate-secret")
    await operator.post(f"{path}/test")
    await operator.post(f"/api/chat/send-message/{session_id}", {"message": TEXT})
    await asyncio.sleep(2.0)
    for query in ({}, {"state": "failed"}):
        await operator.get(f"{path}/deliveries", **query)
    with contextlib.suppress(RuntimeError):  # No delivery has this id.
        await operator.post(f"{path}/deliveries/{hook}/retry")
    await operator.post(f"{path}/recover", {"since": "2026-01-01T00:00:00Z"})
    await operator.get("/api/events", after=0, types="message.created")
    await operator.delete(path)


async def _use_departments(operator: Caller) -> None:
    """Do what departments and bots add. One session waits for a department, and another leaves its bot."""
    sales = (await operator.post("/api/departments", {"name": "Sales", "overflowAfter": 5}))["id"]
    await operator.get("/api/departments")
    await operator.post("/api/agents", {"name": "Sal", "maxUsers": 1, "departmentIds": [sales]})
    for number in range(2):
        await operator.post("/api/chat/start-session", {"userId": f"buyer-{number}", "departmentId": sales})
    await operator.get("/api/chat/availability", departmentId=sales)
    await operator.get("/api/chat/stats")
    bot = (await operator.post("/api/agents", {"name": "Bot", "kind": "bot"}))["id"]
    await operator.patch(f"/api/departments/{sales}", {"botId": bot})
    asked = await operator.post("/api/chat/start-session", {"userId": "asker", "departmentId": sales})
    await operator.post(f"/api/chat/handoff/{asked['sessionId']}", {"summary": "Asks for a refund."})
    await operator.delete(f"/api/departments/{sales}")
    await _download(operator._port, "/console-worker.js")


async def _send_file(port: int, session_id: str) -> None:
    form = {"Content-Type": "multipart/form-data; boundary=part"}
    sender = Caller(port, **{"X-API-Key": API_KEY}, **form)
    part = b'--part\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n--part--\r\n'
    sent = await sender._call("POST", f"/api/chat/files/{session_id}", part)
    sender.close()
    await _download(port, sent["message"]["attachment"]["url"])


async def _download(port: int, path: str) -> None:
    """Get what is no JSON."""
    Caller.called.add(("GET", path.partition("?")[0]))

    def read() -> None:
        with urllib.request.urlopen(_with_key(f"http://127.0.0.1:{port}{path}")) as answer:
            answer.read()

    await asyncio.to_thread(read)


def _with_key(url: str) -> urllib.request.Request:
    return urllib.request.Request(url, headers={"X-API-Key": API_KEY})


def _not_called(port: int) -> list[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/openapi.json") as answer:
        paths = json.load(answer)["paths"]
    wanted = {(method.upper(), path) for path, calls in paths.items() for method in calls if path not in NO_QUERIES}
    return sorted(
        f"{method} {path}"
        for method, path in wanted
        if not any(
            method == called and re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", path), given)
            for called, given in {*Caller.called, ("POST", "/api/auth/token"), ("POST", "/api/chat/start-session")}
        )
    )


def _plans(database: Any) -> list[str]:
    kinds: dict[tuple[str, ...], list[int]] = {}
    hidden = {"execStats": 0}  # It may have times that Python does not know.
    for entry in database["system.profile"].find({"ns": {"$not": {"$regex": "system"}}}, hidden):
        collection = entry["ns"].partition(".")[2]
        command = entry.get("command", {})
        asked = command.get("filter") or command.get("query") or command.get("q") or command.get("pipeline") or {}
        names = json.dumps(_shape(asked), default=str, ensure_ascii=False).replace('"', "").replace("|", "/")
        sort = command.get("sort")
        wanted = f"{names[:110]}{'…' if len(names) > 110 else ''}" + (f" by {', '.join(sort)}" if sort else "")
        plan = entry.get("planSummary", "").replace("{ ", "{").replace(" }", "}")
        if entry["op"] == "insert":
            wanted = f"{entry.get('ninserted', 0)} document, {entry.get('keysInserted', 0)} index keys"
        name = "findAndModify" if "findAndModify" in command or "findandmodify" in command else entry["op"]
        name = next(iter(command)) if name == "command" and command else name
        figures = [entry.get(field, 0) for field in ("keysExamined", "docsExamined", "nreturned")]
        most = kinds.setdefault((collection, name, f"`{wanted}`", f"`{plan or '-'}`"), [0, 0, 0, 0])
        most[:3] = [max(pair) for pair in zip(most, figures, strict=False)]
        most[3] += 1
    return [f"| {' | '.join(kind)} | {' | '.join(map(str, figures))} |" for kind, figures in sorted(kinds.items())]


def _shape(asked: Any) -> Any:
    """Return the query without its values."""
    if isinstance(asked, dict):
        return {name: _shape(value) for name, value in asked.items()}
    if isinstance(asked, list):
        return [_shape(value) for value in asked[:2]]
    return asked if asked is None or (isinstance(asked, (bool, str)) and len(str(asked)) < 12) else "…"


if __name__ == "__main__":
    processes.pin_load()
    main()
