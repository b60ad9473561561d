"""The embedded MongoDB: a real mongod that starts, refuses to start, stops, and is never left behind."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest

from chatsupport.config import Config
from chatsupport.database import embedded, mongod_files
from chatsupport.database.embedded import EmbeddedMongo, EmbeddedMongoError, ensure_uri, running_uri
from tests import ROOT
from tests.concurrency import eventually
from tests.freezing import freeze

pytestmark = pytest.mark.linux


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., EmbeddedMongo]]:
    """Make servers on a fresh DATA_DIR; all are stopped at the end."""
    servers = []

    def make(data_dir: Path = tmp_path) -> EmbeddedMongo:
        servers.append(EmbeddedMongo(data_dir))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


def mongod_of(data_dir: Path) -> list[int]:
    """Return the process ids of mongods that live on this DATA_DIR."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if os.fsencode(f"--dbpath={data_dir}/mongodb/files") in arguments and state != "Z":
            found.append(int(folder.name))
    return found


def refusal(server: EmbeddedMongo) -> str:
    with pytest.raises(EmbeddedMongoError) as caught:
        server.start()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_it_serves_and_stores_data(make_server: Any, tmp_path: Path) -> None:
    for count in (1, 2):
        server = make_server()
        with pymongo.MongoClient[dict[str, Any]](server.start()) as client:
            collection = client.get_database("x", write_concern=pymongo.WriteConcern(w="majority", j=True)).y
            collection.insert_one({"n": count})
            assert collection.count_documents({}) == count
        server.stop()
        assert mongod_of(tmp_path) == []


def test_it_is_private(make_server: Any, tmp_path: Path) -> None:
    make_server().start()

    (pid,) = mongod_of(tmp_path)
    sockets = {os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()}
    inodes = {link[8:-1] for link in sockets if link.startswith("socket:[")}
    tcp = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()
    ]
    assert inodes
    assert not inodes & {columns[9] for columns in tcp}
    assert stat.S_IMODE((tmp_path / "mongodb").stat().st_mode) == 0o700
    assert [path.name for path in (tmp_path / "mongodb").glob("*.sock")] == ["mongodb-27017.sock"]


def test_it_has_its_own_process_session(make_server: Any, tmp_path: Path) -> None:
    make_server().start()

    (pid,) = mongod_of(tmp_path)
    assert os.getsid(pid) == pid


def test_a_deep_data_directory_gets_its_socket_elsewhere(make_server: Any, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    server = make_server(deep)

    uri = server.start()

    assert running_uri(deep) == uri
    socket = mongod_files.socket_path(deep)
    assert not socket.is_relative_to(tmp_path)
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    with pymongo.MongoClient[Any](uri) as client:
        client.admin.command("ping")
    server.stop()
    assert not socket.parent.exists()


def test_a_directory_that_another_user_may_have_made_is_refused(make_server: Any, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    folder = mongod_files.socket_path(deep).parent
    folder.mkdir(mode=0o700)
    folder.chmod(0o777)
    try:
        assert "not a private directory" in refusal(make_server(deep))
    finally:
        folder.rmdir()


def test_a_second_server_gets_an_error_of_one_line(make_server: Any, tmp_path: Path) -> None:
    uri = make_server().start()
    (pid,) = mongod_of(tmp_path)

    problem = refusal(make_server())

    assert "in use by another server" in problem
    assert str(pid) in problem
    assert running_uri(tmp_path) == uri
    assert mongod_of(tmp_path) == [pid]


def test_a_server_waits_for_the_last_one_to_leave(make_server: Any, tmp_path: Path) -> None:
    first = make_server()
    first.start()
    (pid,) = mongod_of(tmp_path)
    os.kill(pid, signal.SIGTERM)

    assert make_server().start()


def test_after_a_crash_it_starts_again(make_server: Any, tmp_path: Path) -> None:
    first = make_server()
    first.start()
    (pid,) = mongod_of(tmp_path)
    os.kill(pid, signal.SIGKILL)

    second = make_server()
    with pymongo.MongoClient[Any](second.start()) as client:
        client.admin.command("ping")
    first.stop()
    assert running_uri(tmp_path) is not None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_the_process_that_started_it(tmp_path: Path, number: signal.Signals) -> None:
    script = (
        "import sys, time; from pathlib import Path; from chatsupport.database.embedded import EmbeddedMongo\n"
        "EmbeddedMongo(Path(sys.argv[1])).start(); print('ready', flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"ready\n"
    assert len(mongod_of(tmp_path)) == 1

    parent.send_signal(number)
    parent.wait(40)
    parent.stdout.close()

    assert eventually(lambda: not mongod_of(tmp_path))


def test_it_ends_when_the_process_ends_without_stopping_it(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from chatsupport.database.embedded import EmbeddedMongo\n"
        "EmbeddedMongo(Path(sys.argv[1])).start()"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, check=True, timeout=90)

    assert mongod_of(tmp_path) == []


def test_a_forked_child_does_not_stop_it(make_server: Any, tmp_path: Path) -> None:
    server = make_server()
    server.start()
    server._owner += 1  # A child process sees a server that is not its own.

    server.stop()

    assert len(mongod_of(tmp_path)) == 1
    server._owner -= 1


def test_stopping_twice_is_fine(make_server: Any) -> None:
    server = make_server()
    server.start()
    server.stop()
    server.stop()


def test_a_mongod_that_ignores_sigterm_is_killed(
    make_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_STOP_TIMEOUT_S", 0.3)
    server = make_server()
    server.start()
    (pid,) = mongod_of(tmp_path)
    freeze(pid)

    server.stop()

    assert mongod_of(tmp_path) == []


def test_only_the_last_two_logs_are_kept(make_server: Any, tmp_path: Path) -> None:
    for _ in range(3):
        server = make_server()
        server.start()
        server.stop()

    assert sorted(path.name for path in (tmp_path / "mongodb").glob("mongod.log*")) == ["mongod.log", "mongod.log.1"]


def test_a_uri_is_given_started_before_or_running(
    make_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(embedded.URI_VARIABLE, raising=False)
    config = Config(jwt_secret="x", data_dir=tmp_path)

    uri, server = ensure_uri(config)
    assert server is not None
    try:
        assert ensure_uri(config) == (uri, None)
    finally:
        server.stop()
    assert running_uri(tmp_path) is None

    monkeypatch.setenv(embedded.URI_VARIABLE, "mongodb://from-the-parent/")
    assert ensure_uri(config) == ("mongodb://from-the-parent/", None)
    given = Config(jwt_secret="x", data_dir=tmp_path, mongodb_uri="mongodb://given/")
    assert ensure_uri(given) == ("mongodb://given/", None)
