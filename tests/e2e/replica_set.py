"""A replica set of three, or of fewer, whose members may be killed."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import Any

import pymongo
from pymongo.errors import PyMongoError

from chatsupport.database.embedded import find_mongod
from tests.e2e.server import STOP_SECONDS, free_port, wait_until
from tests.freezing import freeze, thaw

NAME = "rs"


class ReplicaSet:
    """Several mongod processes with their files under `directory`."""

    def __init__(self, directory: Path, members: int = 3) -> None:
        self._directory = directory
        self.ports = [free_port() for _ in range(members)]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.uri = ""
        try:
            self._begin()
        except BaseException:
            self.stop()
            raise

    def _begin(self) -> None:
        for port in self.ports:
            self.start(port)
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        self.uri = f"mongodb://{hosts}/?replicaSet={NAME}"
        members = [{"_id": number, "host": f"127.0.0.1:{port}"} for number, port in enumerate(self.ports)]
        # A dead primary is replaced after 2 s instead of 10.
        config = {"_id": NAME, "members": members, "settings": {"electionTimeoutMillis": 2000}}
        # The member that is told of the set asks the others at once.
        for port in self.ports:
            with self._client(port) as client:
                wait_until(lambda client=client: _answers(client), 60)
        with self._client(self.ports[0]) as client:
            client.admin.command("replSetInitiate", config)
        wait_until(lambda: self.primary() is not None, 60, lambda: "no primary was elected")

    def primary(self) -> int | None:
        """Return the port of the primary, or None."""
        for port, process in self._processes.items():
            if process.poll() is None:
                with self._client(port) as client, contextlib.suppress(PyMongoError):
                    if client.admin.command("hello").get("isWritablePrimary"):
                        return port
        return None

    def wait_for_primary(self) -> int:
        """Wait until there is a primary, and return its port."""
        wait_until(lambda: self.primary() is not None, 60, lambda: "no primary was elected")
        primary = self.primary()
        return self.wait_for_primary() if primary is None else primary

    def step_down(self) -> None:
        """Let the primary step down, if there is one. Another member is elected."""
        primary = self.primary()
        if primary is not None:
            with self._client(primary) as client, contextlib.suppress(PyMongoError):
                client.admin.command("replSetStepDown", 10, secondaryCatchUpPeriodSecs=5)

    def freeze(self, port: int) -> None:
        """Stop a member without closing its connections."""
        freeze(self._processes[port].pid)

    def thaw(self, port: int) -> None:
        """Let it go on."""
        thaw(self._processes[port].pid)

    def kill(self, port: int) -> None:
        """End a member with SIGKILL."""
        self._processes[port].kill()
        self._processes[port].wait(STOP_SECONDS)

    def start(self, port: int) -> None:
        """Start a member, the first time or again."""
        files = self._directory / str(port)
        files.mkdir(parents=True, exist_ok=True)
        command = [str(find_mongod()), "--replSet", NAME, "--port", str(port), "--bind_ip", "127.0.0.1"]
        command += ["--dbpath", str(files), "--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "100"]
        command += ["--nounixsocket", "--setParameter", "diagnosticDataCollectionEnabled=false"]
        with open(self._directory / f"{port}.log", "ab") as log:
            self._processes[port] = subprocess.Popen(command, stdout=log, stderr=log)

    def stop(self) -> None:
        """End them all."""
        for process in self._processes.values():
            process.kill()
            process.wait(STOP_SECONDS)

    def _client(self, port: int) -> pymongo.MongoClient[dict[str, Any]]:
        return pymongo.MongoClient("127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=1000)


def _answers(client: pymongo.MongoClient[dict[str, Any]]) -> bool:
    try:
        client.admin.command("ping")
    except PyMongoError:
        return False
    return True
