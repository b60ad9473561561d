"""A TCP proxy that treats connections as networks do: it cuts them, even in the middle of a frame, or silently lets
nothing pass."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator

CHUNK_BYTES = 65536
Target = tuple[str, int] | str


class Proxy:
    """Listens on `port` and connects to `target`, an address or the path of a unix socket."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.is_open = threading.Event()
        self.is_open.set()
        self._mutex = threading.Lock()
        self._links: list[Link] = []
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, generator: random.Random) -> None:
        """Cut one connection at random: at once or after half of its next data, by reset or by end."""
        with self._mutex:
            self._links = [link for link in self._links if not link.closed]
            link = generator.choice(self._links) if self._links else None
        if link is not None:
            self.cuts += 1
            if generator.random() < 0.5:
                link.close(reset=generator.random() < 0.5)
            else:
                link.cut_next = True

    @contextlib.contextmanager
    def cutting(self, seed: int, least: float, most: float) -> Iterator[None]:
        """Cut a connection again and again during the block, `least` to `most` seconds apart."""
        over = threading.Event()
        generator = random.Random(seed)

        def run() -> None:
            while not over.wait(generator.uniform(least, most)):
                self.cut(generator)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def block(self) -> None:
        """Silently let nothing pass, in either direction."""
        self.is_open.clear()

    def unblock(self) -> None:
        """Let everything pass again. Waiting data arrives late, and cut connections stay cut."""
        self.is_open.set()

    def close(self) -> None:
        """Cut everything and stop listening."""
        self.unblock()
        self._listener.close()
        with self._mutex:
            links, self._links = self._links, []
        for link in links:
            link.close()

    def make_link(self, client: socket.socket, server: socket.socket) -> Link:
        """Return the object that carries one connection."""
        return Link(client, server, self.is_open)

    def cut_all(self) -> None:
        """Cut all connections at once."""
        with self._mutex:
            links, self._links = self._links, []
        for link in links:
            link.close(reset=True)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        self.is_open.wait()
        family = socket.AF_UNIX if isinstance(self._target, str) else socket.AF_INET
        server = socket.socket(family)
        try:
            server.connect(self._target)
            for end in (client, server):
                if end.family == socket.AF_INET:
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            server.close()
            client.close()
            return
        link = self.make_link(client, server)
        with self._mutex:
            self._links.append(link)
        link.start()


class Link:
    """One connection that goes through."""

    def __init__(self, client: socket.socket, server: socket.socket, is_open: threading.Event) -> None:
        self.client, self.server, self._open = client, server, is_open
        self.cut_next = False
        self.closed = False

    def start(self) -> None:
        for source, sink in ((self.client, self.server), (self.server, self.client)):
            threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def close(self, *, reset: bool = False) -> None:
        self.closed = True
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                if reset:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
        for end in (self.client, self.server):
            end.close()

    def wait_until_open(self) -> bool:
        """Wait while the proxy lets nothing pass. False if the connection was closed in the meantime."""
        while not self._open.wait(0.1):
            if self.closed:
                return False
        return True

    def carry(self, source: socket.socket, sink: socket.socket) -> None:
        """Carry data until the end."""
        while data := source.recv(CHUNK_BYTES):
            if not self.wait_until_open():
                return
            if self.cut_next:
                sink.sendall(data[: len(data) // 2])
                return
            sink.sendall(data)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self.carry(source, sink)
        self.close()


class UpgradeBreaker(Proxy):
    """Cuts the first websocket at the end of its upgrade: after the answer to its probe, and before the poll ends."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.has_cut = threading.Event()

    def make_link(self, client: socket.socket, server: socket.socket) -> Link:
        return _BreakingLink(client, server, self.is_open, self.has_cut)


class _BreakingLink(Link):
    def __init__(
        self, client: socket.socket, server: socket.socket, is_open: threading.Event, has_cut: threading.Event
    ) -> None:
        super().__init__(client, server, is_open)
        self._has_cut = has_cut

    def carry(self, source: socket.socket, sink: socket.socket) -> None:
        while data := source.recv(CHUNK_BYTES):
            if data.endswith(b"\r\n\r\n6"):  # The end of a poll.
                self._has_cut.wait(10)
            sink.sendall(data)
            if data.endswith(b"3probe") and not self._has_cut.is_set():
                self.close()
                time.sleep(0.5)  # The client hears of it before the poll ends.
                self._has_cut.set()
                return
