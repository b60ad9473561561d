"""The example bots, as users start them, with a fake language model: they answer, and hand over with a summary."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT
from tests.conftest import API_KEY
from tests.e2e.rest import Rest
from tests.e2e.server import Server, Servers, free_port, wait_until


@pytest.fixture(scope="module")
def server(servers: Servers) -> Server:
    """A server that sends webhooks to this machine."""
    return servers.start(WEBHOOK_ALLOW="127.0.0.1")


@contextmanager
def running(name: str, server: Server, output: Path, **env: str) -> Iterator[None]:
    """Run an example, as the page says."""
    environment = {**os.environ, "CHAT_URL": server.url, "API_KEY": API_KEY, **env}
    with open(output, "wb") as file:
        command = [sys.executable, f"examples/{name}.py"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.kill()
            process.wait()


@contextmanager
def language_model() -> Iterator[str]:
    """Run a server that answers as one of the OpenAI API does."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked = body["messages"][-1]["content"]
            text = None if asked == "?" else "HAND OVER: Wants a refund." if "refund" in asked else f"You said: {asked}"
            answer = json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    model = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=model.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{model.server_port}/v1"
    finally:
        model.shutdown()
        model.server_close()


def start(operator: Rest, user_id: str, name: str) -> str:
    """Start a session that the bot of this name gets, once it is ready."""

    def is_ready() -> bool:
        bot_id = operator.get("/api/settings").data["botId"]
        return any(
            agent["id"] == bot_id and agent["name"] == name for agent in operator.get("/api/agents").data["agents"]
        )

    wait_until(is_ready)
    return str(operator.post("/api/chat/start-session", {"userId": user_id}).data["sessionId"])


def say(operator: Rest, session_id: str, user_id: str, text: str) -> None:
    body = {"message": text, "senderId": user_id, "senderType": "user"}
    assert operator.post(f"/api/chat/send-message/{session_id}", body).status == 201


def texts(operator: Rest, session_id: str) -> list[str]:
    return [message["message"] for message in operator.get(f"/api/chat/messages/{session_id}").data["messages"]]


def notes(operator: Rest, session_id: str) -> list[str]:
    return [note["text"] for note in operator.get(f"/api/chat/notes/{session_id}").data["notes"]]


def test_the_faq_bot_answers_and_hands_over(server: Server, operator: Rest, tmp_path: Path) -> None:
    port = str(free_port())
    with running("faq_bot", server, tmp_path / "faq.txt", BOT_PORT=port):
        wait_until(lambda: f"127.0.0.1:{port}" in (tmp_path / "faq.txt").read_text())
        session_id = start(operator, "f1", "FAQ bot")
        say(operator, session_id, "f1", "Good morning")
        wait_until(lambda: len(texts(operator, session_id)) == 2)
        greeting = operator.get(f"/api/chat/messages/{session_id}").data["messages"][1]
        assert greeting["content"]["type"] == "quick_replies"
        say(operator, session_id, "f1", "When will my parcel come?")
        wait_until(lambda: len(texts(operator, session_id)) == 4)
        assert texts(operator, session_id)[3].startswith("We deliver")
        say(operator, session_id, "f1", "A person")
        # The session leaves the bot first; its last message and its note follow, until the call is answered.
        wait_until(lambda: notes(operator, session_id) == ["The FAQ bot knew no answer to: A person"])
    assert operator.get(f"/api/chat/session/{session_id}").data["status"] == "waiting"
    assert texts(operator, session_id)[-1] == "I will get somebody who can help you."


def test_the_llm_bot_answers_and_hands_over(server: Server, operator: Rest, tmp_path: Path) -> None:
    position = tmp_path / "position"
    with (
        language_model() as url,
        running("llm_bot", server, tmp_path / "llm.txt", LLM_URL=url, LLM_POSITION=str(position)),
    ):
        gone = start(operator, "l0", "LLM bot")
        say(operator, gone, "l0", "Hello")
        assert operator.request("DELETE", "/api/users/l0").status == 200
        silent = start(operator, "l2", "LLM bot")
        say(operator, silent, "l2", "?")
        wait_until(lambda: notes(operator, silent) == ["The model said nothing."])
        session_id = start(operator, "l1", "LLM bot")
        say(operator, session_id, "l1", "Hello")
        wait_until(lambda: texts(operator, session_id) == ["Hello", "You said: Hello"])
        say(operator, session_id, "l1", "I want a refund")
        wait_until(lambda: notes(operator, session_id) == ["Wants a refund."])
        wait_until(lambda: position.exists() and int(position.read_text() or 0) > 0)
    assert operator.get(f"/api/chat/session/{session_id}").data["status"] == "waiting"
    assert texts(operator, session_id)[-1] == "I will get somebody who can help you."


def test_an_example_bot_goes_on_after_any_answer(server: Server, tmp_path: Path) -> None:
    """A proxy answers with a page of its own, and the token expires."""
    script = """
import chat, http.server, threading
bot = chat.Bot("Robin")
proxy = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
threading.Thread(target=proxy.serve_forever, daemon=True).start()
url, chat.URL = chat.URL, f"http://127.0.0.1:{proxy.server_port}"
try:
    bot.get("/page")
except chat.RefusedError as error:
    assert error.status == 501, error
chat.URL, bot._headers = url, {"Authorization": "Bearer expired"}
assert bot.get("/api/chat/sessions")["sessions"] == []
"""
    environment = {**os.environ, "CHAT_URL": server.url, "API_KEY": API_KEY, "PYTHONPATH": str(ROOT / "examples")}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, timeout=90)
