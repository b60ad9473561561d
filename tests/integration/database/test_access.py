"""A MongoDB with access control: which users get in, and what the others are told."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_plus

import pymongo
import pytest
from flask import Flask
from pymongo.errors import PyMongoError

from chatsupport.config import Config, ConfigError
from chatsupport.database.embedded import find_mongod
from chatsupport.factory import create_app
from tests.api import Apis, assert_failure
from tests.conftest import MakeConfig
from tests.e2e.server import free_port, wait_until

ODD = "p:a/s?s#w[o]r@d% +&=ä"
ROLES = [{"role": "readWrite", "db": name} for name in ("shop", "chat-support")]


@dataclass(frozen=True)
class Guarded:
    """A mongod with `--auth`. `app` is defined in admin, `local` in the database shop, and `nobody` has no rights."""

    address: str
    root: str

    def uri(self, user: str, password: str, rest: str = "/") -> str:
        """Return a connection string."""
        return f"mongodb://{user}:{quote_plus(password)}@{self.address}{rest}"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    home, port = tmp_path_factory.mktemp("guarded"), free_port()
    command = [str(find_mongod()), "--auth", f"--dbpath={home}", f"--port={port}", "--bind_ip=127.0.0.1", "--quiet"]
    command += [f"--logpath={home}/log", "--nounixsocket", "--wiredTigerCacheSizeGB=0.25"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    address = f"127.0.0.1:{port}"

    def first_user() -> bool:
        try:
            with pymongo.MongoClient(address, serverSelectionTimeoutMS=200) as client:
                client.admin.command("createUser", "root", pwd="root", roles=["root"])
        except PyMongoError:
            return False
        return True

    try:
        wait_until(first_user, 30)
        root = f"mongodb://root:root@{address}/"
        with pymongo.MongoClient(root) as client:
            client.admin.command("createUser", "app", pwd=ODD, roles=ROLES)
            client.admin.command("createUser", "nobody", pwd="nothing", roles=[])
            client.shop.command("createUser", "local", pwd="at home", roles=["readWrite"])
        yield Guarded(address, root)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.fixture
def start(make_config: MakeConfig) -> Callable[..., Flask]:
    """Make an application as a server does, from its environment."""

    def make(uri: str, **environment: str) -> Flask:
        read = Config.from_env({"MONGODB_URI": uri, "JWT_SECRET": "x" * 32, **environment})
        return create_app(make_config(mongodb_uri=read.mongodb_uri, mongodb_db=read.mongodb_db))

    return make


@pytest.mark.parametrize(
    ("user", "password", "rest", "database"),
    [
        # By default, users are defined in admin.
        ("app", ODD, "", "chat-support"),
        ("app", ODD, "/", "chat-support"),
        ("app", ODD, "/?retryWrites=true", "chat-support"),
        # Chats do not belong in the database of users.
        ("app", ODD, "/admin", "chat-support"),
        ("app", ODD, "/shop?authSource=admin", "shop"),
        ("local", "at home", "/shop", "shop"),
        ("local", "at home", "/?authSource=shop", "shop"),
    ],
)
def test_a_known_user_gets_access(
    guarded: Guarded, start: Callable[..., Flask], user: str, password: str, rest: str, database: str
) -> None:
    app = start(guarded.uri(user, password, rest), **({"MONGODB_DB": "shop"} if user == "local" else {}))

    Apis(app).operator().start("u1")
    with pymongo.MongoClient(guarded.root) as client:
        assert client[database].sessions.count_documents({}) == 1
        assert "sessions" not in client.admin.list_collection_names()
        client[database].sessions.delete_many({})


@pytest.mark.parametrize(
    ("user", "password", "rest", "said"),
    [
        ("app", "wrong", "/", "MONGODB_URI has a user name or a password that MongoDB does not accept"),
        ("stranger", ODD, "/", "MONGODB_URI has a user name or a password that MongoDB does not accept"),
        # MongoDB looks for the user in the named database.
        ("app", ODD, "/shop", "authSource"),
        ("nobody", "nothing", "/", "MONGODB_URI must name a user that may read and write the database chat-support"),
    ],
)
def test_an_unknown_user_gets_one_sentence(
    guarded: Guarded, start: Callable[..., Flask], user: str, password: str, rest: str, said: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        start(guarded.uri(user, password, rest))

    (line,) = refused.value.problems
    assert said in line
    assert line.startswith("MONGODB_URI")
    assert password not in line
    assert "\n" not in line


def test_without_a_user_there_is_no_access(guarded: Guarded, start: Callable[..., Flask]) -> None:
    with pytest.raises(ConfigError, match="MONGODB_URI must name a user"):
        start(f"mongodb://{guarded.address}")


@pytest.mark.features("upkeep")
def test_a_command_gives_the_same_sentence(
    guarded: Guarded, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "true")
    app = create_app(make_config(mongodb_uri=guarded.uri("app", "wrong"), mongodb_db="shop"))

    for arguments in (["sessions", "list"], ["queue"], ["init-db"], ["migrate"], ["agents", "list"]):
        result = app.test_cli_runner().invoke(args=arguments)
        assert result.exit_code == 1, arguments
        assert result.output.startswith("MONGODB_URI has a user name or a password"), arguments
        assert result.output.count("\n") == 1
    result = app.test_cli_runner().invoke(args=["doctor"])
    assert "database: cannot be used -> MONGODB_URI has a user name or a password" in result.output


def test_a_right_revoked_from_a_running_server_counts_as_an_unavailable_database(
    guarded: Guarded, start: Callable[..., Flask]
) -> None:
    with pymongo.MongoClient(guarded.root) as client:
        client.admin.command("createUser", "dismissed", pwd="for now", roles=ROLES)
        apis = Apis(start(guarded.uri("dismissed", "for now")))
        client.admin.command("revokeRolesFromUser", "dismissed", roles=ROLES)

        assert_failure(apis.operator().get("/api/agents"), 503, "DATABASE_UNAVAILABLE")
