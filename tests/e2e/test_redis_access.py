"""A Valkey with a password and TLS with a self-signed certificate is used, or refused in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chatsupport.config import Config, ConfigError
from chatsupport.database import redis_server
from tests.api import make_token
from tests.e2e import commands
from tests.e2e.conftest import Connect
from tests.e2e.server import Server, Servers, free_port
from tests.e2e.tls import SelfSigned
from tests.e2e.valkey import Valkey

PASSWORD = "p%2Fa%23s%40s"

pytestmark = pytest.mark.timeout(120)


@dataclass(frozen=True)
class Guarded:
    valkey: Valkey
    front: SelfSigned

    def url(self, options: str = "", scheme: str = "rediss", password: str = PASSWORD) -> str:
        port = self.front.port if scheme == "rediss" else self.valkey.port
        return f"{scheme}://:{password}@127.0.0.1:{port}/0{options}"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    valkey = Valkey("--requirepass", "p/a#s@s")
    valkey.start()
    front = SelfSigned(tmp_path_factory.mktemp("tls"), valkey.port)
    yield Guarded(valkey, front)
    front.close()
    valkey.kill()


def configured(url: str, **environment: str) -> str:
    config = Config.from_env({"JWT_SECRET": "x" * 32, "REDIS_URL": url, **environment})
    assert config.redis_url is not None
    return config.redis_url


def test_processes_exchange_events_with_a_self_signed_certificate(
    guarded: Guarded, servers: Servers, connect: Connect
) -> None:
    environment = {"REDIS_URL": guarded.url(), "REDIS_TLS_VERIFY": "off", "RATE_LIMITS": "on"}
    first = servers.start(**environment)
    second = servers.start(MONGODB_DB=first.database, **environment)
    session_id = first.operator().start("u1")
    socket = connect("python", second.url, {"token": make_token("u1")})
    socket.join(session_id)

    first.operator().send(session_id, "over TLS")

    assert socket.wait_for("new_message")["message"] == "over TLS"
    # And uses in one process count in the other.
    statuses = [server.bearer(make_token("u2")).post("/api/chat/start-session", {"userId": "u2"}).status
                for server in (first, second) * 6]  # fmt: skip
    assert statuses.count(429) == 2
    output = commands.run(first, "doctor").stdout
    assert "valkey: version " in output
    assert "a published message arrives after" in output
    for server in (first, second):
        assert "Redis" not in server.output(), server.output()
        server.clean_up()


def test_a_server_that_redis_refuses_does_not_start_and_says_why(
    guarded: Guarded, servers: Servers, server: Server
) -> None:
    with pytest.raises(AssertionError, match="the server ended") as ended:
        servers.start(REDIS_URL=guarded.url())
    (line,) = str(ended.value).splitlines()[1:]
    assert line.startswith(
        "REDIS_URL leads to a server whose certificate is for another name or not signed by a trusted authority"
    )
    assert "REDIS_TLS_VERIFY=off" in line
    output = commands.run(server, "doctor", REDIS_URL=guarded.url()).stdout
    assert f"valkey: cannot be used -> {line}" in output


def test_a_server_waits_for_a_redis_that_is_away(servers: Servers) -> None:
    server = servers.start(REDIS_URL=f"redis://127.0.0.1:{free_port()}")

    assert "The Redis of REDIS_URL does not answer yet" in server.output()
    server.clean_up()


def test_accepted_credentials_may_use_redis(guarded: Guarded) -> None:
    ca = f"?ssl_ca_certs={guarded.front.certificate}"
    for url in (
        configured(guarded.url(), REDIS_TLS_VERIFY="off"),
        configured(guarded.url("?ssl_cert_reqs=required"), REDIS_TLS_VERIFY="off"),
        configured(guarded.url("?ssl_cert_reqs=none&ssl_check_hostname=false")),
        configured(guarded.url(ca)),
        configured(guarded.url(scheme="valkey")),
    ):
        version, _ = redis_server.try_out(url)
        assert version


def test_an_unknown_user_gets_one_sentence(guarded: Guarded, tmp_path: Path) -> None:
    other = SelfSigned(tmp_path, guarded.valkey.port)
    for url, said in (
        (guarded.url(), "REDIS_TLS_VERIFY=off"),
        (guarded.url(f"?ssl_ca_certs={other.certificate}"), "REDIS_TLS_VERIFY=off"),
        (guarded.url(scheme="redis", password="wrong"), "REDIS_URL has a user name or a password"),
        (f"redis://127.0.0.1:{guarded.valkey.port}", "REDIS_URL has a user name or a password"),
        (f"{guarded.url(scheme='redis')}9999", "REDIS_URL leads to a server that refuses: DB index is out of range"),
    ):
        with pytest.raises(ConfigError) as refused:
            redis_server.check(configured(url))
        (line,) = refused.value.problems
        assert line.startswith("REDIS_URL")
        assert said in line
        assert PASSWORD not in line
    other.close()
