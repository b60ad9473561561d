"""Two real Socket.IO clients behind the same calls: socket.io-client in Node, and python-socketio's."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import engineio
import socketio

from tests.e2e.recording import Socket

JS_DIRECTORY = Path(__file__).parent / "js"


class _OrderedEngine(engineio.Client):
    """python-engineio gives each message a thread, which loses their order; here one thread takes them all."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._inbox: queue.Queue[Any] = queue.Queue()
        threading.Thread(target=self._dispatch, daemon=True).start()

    def _trigger_event(self, event: str, *args: Any, **kwargs: Any) -> Any:
        if event == "message":
            return self._inbox.put(args)
        return super()._trigger_event(event, *args, **kwargs)

    def _dispatch(self) -> None:
        while True:
            super()._trigger_event("message", *self._inbox.get(), run_async=False)


class _OrderedClient(socketio.Client):
    def _engineio_client_class(self) -> type[engineio.Client]:
        return _OrderedEngine


class PythonSocket(Socket):
    """python-socketio's client."""

    def __init__(
        self,
        url: str,
        auth: Any = None,
        *,
        headers: dict[str, str] | None = None,
        transports: list[str] | None = None,
        reconnect: bool = False,
    ) -> None:
        super().__init__()
        self._client = _OrderedClient(
            reconnection=reconnect,
            reconnection_delay=0.1,
            reconnection_delay_max=0.2,
            randomization_factor=0,
            handle_sigint=False,
        )
        self._client.on("*", self._record)
        self._client.on("connect", lambda: self._record("connect", None))
        self._client.on("disconnect", lambda reason: self._record("disconnect", reason))
        self._client.on("connect_error", lambda data=None: self._record("connect_error", data))
        try:
            self._client.connect(url, headers or {}, auth, transports, wait_timeout=10)
        except socketio.exceptions.ConnectionError:
            self.wait_for("connect_error")

    @property
    def transport(self) -> str:
        transport: str = self._client.transport()
        return transport

    def close(self) -> None:
        self._client.shutdown()

    def _emit(self, events: Sequence[tuple[str, Any, str | None]]) -> None:
        for name, payload, key in events:
            callback = None if key is None else lambda data=None, key=key: self._acknowledged(key, data)
            self._client.emit(name, payload, callback=callback)


class NodeSocket(Socket):
    """socket.io-client in a Node process of its own, driven by JSON lines (js/client.js)."""

    def __init__(
        self,
        url: str,
        auth: Any = None,
        *,
        headers: dict[str, str] | None = None,
        transports: list[str] | None = None,
        reconnect: bool = False,
    ) -> None:
        super().__init__()
        self._process = subprocess.Popen(
            ["node", "client.js"], cwd=JS_DIRECTORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        threading.Thread(target=self._read, daemon=True).start()
        options = {
            "auth": auth,
            "extraHeaders": headers,
            "transports": transports,
            "reconnection": reconnect,
            "reconnectionDelay": 100,
            "reconnectionDelayMax": 200,
        }
        self._command("connect", url=url, options={name: value for name, value in options.items() if value is not None})
        self._wait(
            lambda: any(name in ("connect", "connect_error") for name, _ in self._events), "connect or connect_error"
        )

    @property
    def transport(self) -> str:
        known = len(self.events("transport"))
        self._command("transport")
        transport: str = self.wait_for("transport", count=known + 1)
        return transport

    def close(self) -> None:
        if self._process.poll() is None and self._process.stdin:
            # At the end of its input the script disconnects properly and ends.
            self._process.stdin.close()
        try:
            self._process.wait(5)
        finally:
            self._process.kill()
            self._process.wait()

    def _emit(self, events: Sequence[tuple[str, Any, str | None]]) -> None:
        self._command("emit", events=list(events))

    def _command(self, command: str, **fields: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": command, **fields}) + "\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                entry = json.loads(line)
                if "acknowledged" in entry:
                    self._acknowledged(entry["acknowledged"], entry["data"])
                else:
                    self._record(entry["event"], entry["data"])
