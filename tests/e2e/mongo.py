"""A test's own MongoDB, which may be killed and frozen."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from chatsupport.database.embedded import EmbeddedMongo
from chatsupport.database.mongod_files import lock_file
from tests.freezing import freeze, thaw


class Mongo:
    """A mongod with its files under `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._server = EmbeddedMongo(directory)
        self.uri = self._server.start()
        self._alive = True

    def kill(self) -> None:
        """End it with SIGKILL, as when a machine loses power."""
        os.kill(self._process_id(), signal.SIGKILL)
        self._server.stop()
        self._alive = False

    def start(self) -> None:
        """Start it again on the same files and the same socket."""
        self._server = EmbeddedMongo(self._directory)
        assert self._server.start() == self.uri
        self._alive = True

    def freeze(self) -> None:
        """Stop it without closing its connections, like a machine that swaps endlessly."""
        freeze(self._process_id())

    def thaw(self) -> None:
        """Let it go on."""
        thaw(self._process_id())

    def recover(self) -> None:
        """Let it run, whatever was done to it."""
        if self._alive:
            self.thaw()
        else:
            self.start()

    def stop(self) -> None:
        """End it, whatever was done to it."""
        if self._alive:
            self.thaw()
            self._server.stop()

    def _process_id(self) -> int:
        with lock_file(self._directory) as lock:
            return int(lock.read())
