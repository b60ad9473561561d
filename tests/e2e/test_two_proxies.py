"""A balancer that does TLS, then nginx with deploy/nginx.conf, then the server: TRUSTED_PROXIES=2."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.e2e.debian import DebianNginx, commands
from tests.e2e.server import Server, Servers, wait_until

pytestmark = pytest.mark.debian_nginx

HOST = "chat.example.com"
CONSOLE = {"Host": HOST, "Origin": f"https://{HOST}"}
# Like a balancer, it passes on the host and the address that it got itself, and says that it did TLS.
BALANCER = """
server {{
    listen 80;
    server_name {host};
    location / {{
        proxy_pass http://127.0.0.1:{port};
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto https;
    }}
}}
"""


@pytest.fixture(scope="module")
def server(servers: Servers) -> Server:
    return servers.start(TRUSTED_PROXIES="2")


@pytest.fixture(scope="module")
def balancer(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    inner, outer = (DebianNginx(tmp_path_factory.mktemp(name)) for name in ("inner", "outer"))
    inner.set_up(commands("conf.d/chat-support.conf\nsed"), HOST)
    (Path(outer.folder) / "conf.d/balancer.conf").write_text(BALANCER.format(host=HOST, port=inner.port))
    inner.start(server.port)
    outer.start(server.port)
    yield f"http://127.0.0.1:{outer.port}"
    outer.stop()
    inner.stop()


def test_the_console_may_connect(balancer: str) -> None:
    handshake = f"{balancer}/socket.io/?EIO=4&transport=polling"

    assert requests.get(handshake, headers=CONSOLE, timeout=60).status_code == 200
    strange = {**CONSOLE, "Origin": "https://evil.example"}
    assert requests.get(handshake, headers=strange, timeout=60).status_code == 400


def test_the_server_knows_that_it_serves_https(balancer: str) -> None:
    response = requests.get(f"{balancer}/console", headers=CONSOLE, timeout=60)

    assert response.status_code == 200
    assert response.headers["Strict-Transport-Security"]
    assert f"wss://{HOST}" in response.headers["Content-Security-Policy"]


def test_the_clients_address_is_used_and_cannot_be_forged(balancer: str, server: Server) -> None:
    invented = {**CONSOLE, "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "gopher"}
    requests.get(f"{balancer}/api/health", headers={**invented, "X-Request-ID": "seen-by-both"}, timeout=60)

    log = server.log_dir / "app.log"
    wait_until(lambda: "seen-by-both" in log.read_text())
    (line,) = [line for line in log.read_text().splitlines() if "seen-by-both" in line]
    assert re.search(r'"address":"127\.0\.0\.1"', line)
