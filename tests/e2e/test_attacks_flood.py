"""Many connections that send nothing or too little to the real server, on this machine only."""

from __future__ import annotations

import contextlib

from tests.api import make_token
from tests.e2e.conftest import Connect
from tests.e2e.raw import UPGRADE, Peer, Peers, frame, read_all
from tests.e2e.server import Servers, wait_until

COUNT = 1_500
MIB_EACH = 0.08


def test_half_open_connections_do_no_harm(servers: Servers, connect: Connect) -> None:
    server = servers.start(LOG_LEVEL="WARNING")
    raise_file_limit(COUNT + 1_000)
    operator, peers = server.operator(), Peers(server.port)
    session_id = operator.start("witness")
    witness = connect("python", server.url, {"token": make_token("witness")})
    witness.join(session_id)
    before, most = server.memory(), 0.0
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
        for number in range(COUNT):
            attackers.append(peers.open(half_open[number % len(half_open)]))
            if number % 100 == 99:
                # As fast as the server accepts them: more would only wait in the kernel, and do no harm there.
                handshakes = [peer for at, peer in enumerate(attackers[-100:]) if at % len(half_open) >= 3]
                wait_until(lambda them=handshakes: have_answers(them))  # type: ignore[misc]
            if number % 150 == 149:
                statuses.append(server.anonymous().get("/api/health").status)
                most = max(most, server.memory())
                assert witness.send(session_id, f"at {number}")["message"] == f"at {number}"
        read_all(attackers, 90)
        print(f"{COUNT} half-open connections: memory {before} → at most {most} MiB, now {server.memory()} MiB")
        assert all(attacker.is_closed for attacker in attackers)
        assert most - before < COUNT * MIB_EACH
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
