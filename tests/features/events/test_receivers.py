"""The receivers of docs/webhooks.md take what is signed, and nothing else."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from chatsupport.features.events.webhooks import signing
from tests.concurrency import eventually
from tests.e2e.server import free_port

PAGE = (Path(__file__).parents[3] / "docs/webhooks.md").read_text("utf-8")
SECRET = signing.new_secret()
BODY = b'{"type": "session.ended", "timestamp": "2026-11-26T20:14:22.123Z", "data": {"id": "1"}}'


def program(language: str) -> str:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)[0]


def signed(age: int = 0, body: bytes = BODY, keys: tuple[str, ...] = (SECRET,)) -> dict[str, str]:
    return signing.headers("evt_1", int(time.time()) - age, body, keys)


FORGED: list[dict[str, Any]] = [
    {},
    signed(age=600),
    signed(body=BODY + b" "),
    signed(keys=(signing.new_secret(),)),
    {**signed(), "webhook-id": "evt_2"},
    {**signed(), "webhook-timestamp": "x"},
]


def test_the_python_receiver_takes_what_is_signed(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    module: dict[str, Any] = {"__name__": "receiver"}
    exec(compile(program("python"), "receiver.py", "exec"), module)
    client = module["app"].test_client()

    for headers in FORGED:
        answer = client.post("/chat-events", data=BODY, headers=headers, content_type="application/json")
        assert answer.status_code == 401
    for keys in ((SECRET,), (signing.new_secret(), SECRET)):
        assert client.post("/chat-events", data=BODY, headers=signed(keys=keys)).status_code == 204
    assert capsys.readouterr().out == "session.ended 1\n"


@pytest.mark.node
def test_the_node_receiver_takes_what_is_signed(tmp_path: Path) -> None:
    file = tmp_path / "receiver.mjs"
    file.write_text(program("js"))
    port = free_port()
    environment = {**os.environ, "WEBHOOK_SECRET": SECRET, "PORT": str(port)}
    with subprocess.Popen(["node", str(file)], env=environment, stdout=subprocess.PIPE, text=True) as node:
        try:
            url = f"http://127.0.0.1:{port}/chat-events"

            def is_up() -> bool:
                with socket.socket() as probe:
                    return probe.connect_ex(("127.0.0.1", port)) == 0

            assert eventually(is_up)
            for headers in FORGED:
                assert requests.post(url, BODY, headers=headers, timeout=60).status_code == 401
            for keys in ((SECRET,), (signing.new_secret(), SECRET)):
                assert requests.post(url, BODY, headers=signed(keys=keys), timeout=60).status_code == 204
        finally:
            node.terminate()
        assert node.stdout is not None
        assert node.stdout.read() == "session.ended 1\n"
