"""Thousands of connections that send nothing or too little to the real server, on this machine only."""

from __future__ import annotations

import contextlib
import time

import pytest

from tests.api import make_token
from tests.e2e.conftest import Connect
from tests.e2e.raw import UPGRADE, Peer, Peers, frame, read_all
from tests.e2e.server import Servers, wait_until


@pytest.mark.timeout(240)
def test_5000_half_open_connections_do_no_harm(servers: Servers, connect: Connect) -> None:
    server = servers.start(LOG_LEVEL="WARNING")
    raise_file_limit(6_000)
    operator, peers = server.operator(), Peers(server.port)
    session_id = operator.start("witness")
    witness = connect("python", server.url, {"token": make_token("witness")})
    witness.join(session_id)
    before, most, slowest, opened = server.memory(), 0.0, 0.0, time.monotonic()
    half_open = [
        b"",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST /api/auth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
        UPGRADE + b"\r\n",
        UPGRADE + b"\r\n" + frame(b"4", final=False),
    ]
    try:
        attackers: list[Peer] = []
        statuses: list[int] = []
        for number in range(5_000):
            attackers.append(peers.open(half_open[number % len(half_open)]))
            if number % 100 == 99:
                # As fast as the server accepts them: more would only wait in the kernel, and do no harm there.
                handshakes = [peer for at, peer in enumerate(attackers[-100:]) if at % len(half_open) >= 3]
                wait_until(lambda them=handshakes: have_answers(them))  # type: ignore[misc]
            if number % 500 == 499:
                asked = time.monotonic()
                statuses.append(server.anonymous().get("/api/health").status)
                slowest = max(slowest, time.monotonic() - asked)
                most = max(most, server.memory())
                assert witness.send(session_id, f"at {number}")["message"] == f"at {number}"
        read_all(attackers, 40)
        print(
            f"5000 half-open connections in {time.monotonic() - opened:.1f} s: memory {before} → at most {most} MiB, "
            f"now {server.memory()} MiB; health within {slowest * 1000:.0f} ms"
        )
        assert all(attacker.is_closed for attacker in attackers)
        # It may take longer than 10 s, because they were opened one after the other while the machine was busy.
        assert max(attacker.closed_after or 0.0 for attacker in attackers) < 30
        assert most - before < 400
        assert slowest < 2.5
        assert statuses == [200] * 10
        assert not witness.events("disconnect")
        wait_until(lambda: server.anonymous().get("/api/health").status == 200)
    finally:
        peers.close()


def have_answers(peers: list[Peer]) -> bool:
    read_all(peers, 0.01)
    return all(peer.received or peer.is_closed for peer in peers)


def raise_file_limit(wanted: int) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard) if hard > 0 else wanted, hard))
