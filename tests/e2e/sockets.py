"""Two real Socket.IO clients behind the same calls: socket.io-client in Node, and python-socketio's."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import engineio
import requests
import socketio

from tests.e2e.recording import Socket

JS_DIRECTORY = Path(__file__).parent / "js"


class _OrderedEngine(engineio.Client):
    """python-engineio gives each message a thread, which loses their order. Here one thread handles them all."""

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
        headers = dict(headers or {})
        origin = headers.pop("Origin", None) if transports == ["websocket"] else None
        session = requests.Session()
        # Its threads would read os.environ for proxies while pytest writes to it.
        session.trust_env = False
        self._client = _OrderedClient(
            http_session=session,
            # A POST is answered after all its events, which takes time for a burst on a busy machine.
            request_timeout=30,
            reconnection=reconnect,
            reconnection_delay=0.1,
            reconnection_delay_max=0.2,
            randomization_factor=0,
            handle_sigint=False,
            websocket_extra_options={"origin": origin},
        )
        self._client.on("*", self._record)
        self._client.on("connect", lambda: self._record("connect", None))
        self._client.on("disconnect", lambda reason: self._record("disconnect", reason))
        self._client.on("connect_error", lambda data=None: self._record("connect_error", data))
        # A refused client that waits in connect() may hang there until its long poll ends, after 25 s.
        with contextlib.suppress(socketio.exceptions.ConnectionError):
            self._client.connect(url, headers, auth, transports, wait=False)
        self.wait_for_connection()

    @property
    def transport(self) -> str:
        transport: str = self._client.transport()
        return transport

    def close(self) -> None:
        self._finish_posts()
        if self._client.namespaces or self._client.reconnection:
            self._client.shutdown()
        else:
            self._client.eio.disconnect(abort=True)

    def _finish_posts(self) -> None:
        """Wait while a POST waits for its answer. A client that disconnects then does not tell the server."""
        engine = self._client.eio
        deadline = time.monotonic() + 40
        while engine.state == "connected" and engine.write_loop_task and time.monotonic() < deadline:
            if not engine.queue.unfinished_tasks:
                break
            time.sleep(0.01)

    def _emit(self, events: Sequence[tuple[str, Any, str | None]]) -> None:
        for name, payload, key in events:
            callback = None if key is None else lambda data=None, key=key: self._acknowledged(key, data)
            self._client.emit(name, payload, callback=callback)


class Node:
    """The Node process in which all socket.io-clients live, driven by JSON lines (js/client.js)."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["node", "client.js"], cwd=JS_DIRECTORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._sockets: list[NodeSocket] = []
        threading.Thread(target=self._read, daemon=True).start()

    def add(self, socket: NodeSocket) -> int:
        """Return the number of a new socket."""
        self._sockets.append(socket)
        return len(self._sockets) - 1

    def command(self, command: str, number: int, **fields: Any) -> None:
        """Send a command to one of the sockets."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": command, "socket": number, **fields}) + "\n")
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
                self._sockets[entry["socket"]].take(entry)


class NodeSocket(Socket):
    """socket.io-client."""

    def __init__(
        self,
        node: Node,
        url: str,
        auth: Any = None,
        *,
        headers: dict[str, str] | None = None,
        transports: list[str] | None = None,
        reconnect: bool = False,
        wait: bool = True,
    ) -> None:
        super().__init__()
        self._node = node
        self._number = node.add(self)
        options = {
            "auth": auth,
            "extraHeaders": headers,
            "transports": transports,
            "reconnection": reconnect,
            "reconnectionDelay": 100,
            "reconnectionDelayMax": 200,
        }
        given = {name: value for name, value in options.items() if value is not None}
        node.command("connect", self._number, url=url, options=given)
        # Events emitted before the connection is established are sent when it is.
        if wait:
            self.wait_for_connection()

    @property
    def transport(self) -> str:
        known = len(self.events("transport"))
        self._node.command("transport", self._number)
        transport: str = self.wait_for("transport", count=known + 1)
        return transport

    def take(self, entry: dict[str, Any]) -> None:
        """Record an event of this socket."""
        if "acknowledged" in entry:
            self._acknowledged(entry["acknowledged"], entry["data"])
        else:
            self._record(entry["event"], entry["data"])

    def close(self) -> None:
        self._node.command("close", self._number)

    def _emit(self, events: Sequence[tuple[str, Any, str | None]]) -> None:
        self._node.command("emit", self._number, events=list(events))
