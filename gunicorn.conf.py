"""How gunicorn serves Chat Support: one eventlet worker, with the embedded MongoDB beside it where none is configured.

https://docs.gunicorn.org/en/stable/settings.html explains the names; what is set here is what differs from the default.
"""

import contextlib
import ctypes
import functools
import logging
import os
import re
import resource
import signal
import socket
import sys
import warnings
from pathlib import Path

import gunicorn
from gunicorn.errors import HaltServer

sys.path.insert(0, str(Path(__file__).parent))

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # Until gunicorn's handlers stand, Ctrl-C ends the process at once, before the imports below: a KeyboardInterrupt
    # crashes orjson while it is imported, and is swallowed by eventlet while it patches.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from chatsupport.config import Config, ConfigError
from chatsupport.database.embedded import URI_VARIABLE, EmbeddedMongo, EmbeddedMongoError, MongoKeeper
from chatsupport.observability.logs import setup_logging

warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated|The eventlet worker is deprecated")

_ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}


_BAD_CONFIGURATION = os.EX_CONFIG
"""The exit status after which systemd does not start the server again (deploy/chat-support@.service)."""


def _fail(reason, status=1):
    print(reason, file=sys.stderr)
    sys.exit(status)


def _has_terminal():
    # Under nohup SIGHUP is ignored from the start, and shall be.
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return False
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


_ends_with_terminal = _has_terminal()

try:
    _config = Config.from_env()
except ConfigError as _error:
    _fail(_error, _BAD_CONFIGURATION)

_address = f"[{_config.host}]" if ":" in _config.host else _config.host
bind = f"{_address}:{_config.port}"

# Rooms and who is in them live in the worker's memory: more processes go side by side behind a sticky proxy.
workers = 1
worker_class = "eventlet"
# The cap on open connections, websockets included; at the cap not even a health check is answered.
worker_connections = _config.worker_connections
backlog = 2048
# Longer than the usual proxies keep an idle connection (60 s), so that it is never closed under a request.
keepalive = 65
# A worker that has not ended after so many seconds is killed; Heroku gives 30 in all, Ctrl-C should not take 10.
graceful_timeout = 8
# On Python 3.13 it crashes the master on SIGTERM, which leaves the worker behind.
control_socket_disable = True
# Forwarded headers are believed by the application alone, which knows how many proxies there are (TRUSTED_PROXIES).
forwarded_allow_ips = ""
# The application logs every request, and its logging takes gunicorn's warnings in.
loglevel = "warning"
gunicorn.SERVER = "chat-support"


def on_starting(server):
    """Set logging up and look whether the port is free, which gunicorn would try five times, a second each."""
    _check_options(server.cfg)
    _choose_signals(server)
    setup_logging(_config)
    logging.getLogger("gunicorn.error").addFilter(_tells_something_new)
    _raise_file_limit(_config.worker_connections + 256)
    family = socket.AF_INET6 if ":" in _config.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_config.host, _config.port))
        except OSError as error:
            _fail(f"Cannot listen on HOST {_config.host}, PORT {_config.port}: {error.strerror or error}")


def _check_options(options):
    # What is given to gunicorn by its command line or GUNICORN_CMD_ARGS wins over this file.
    given = {
        f"-w {options.workers}": options.workers != workers,
        f"-k {options.worker_class_str}": options.worker_class_str != worker_class,
        "--preload": options.preload_app,
        "--reload": options.reload,
    }
    wrong = " and ".join(option for option, is_given in given.items() if is_given)
    if wrong:
        _fail(
            f"Start gunicorn without {wrong}: a server is one process with one eventlet worker. "
            "For more of them see docs/scaling.md",
            _BAD_CONFIGURATION,
        )


def _choose_signals(server):
    def decline(name):
        logging.getLogger("gunicorn.error").warning("%s changes nothing here: restart the server instead", name)

    # A reload would mix old code with new, and more workers would not know of each other's sockets.
    for name in ("HUP", "TTIN", "TTOU", "USR2"):
        setattr(server, f"handle_{name.lower()}", functools.partial(decline, f"SIG{name}"))
    if _ends_with_terminal:
        server.handle_hup = server.handle_term


def _tells_something_new(record):
    # A worker that cannot load the application (status 4) has said why, in one line; gunicorn adds three.
    text = record.getMessage()
    return not re.match(r"Worker \(pid:\d+\) exited with code 4\b|Shutting down: |Reason: App failed to load", text)


def when_ready(server):
    """Start the embedded MongoDB, now that the port is ours and signals wait in gunicorn's queue."""
    server.embedded_mongo = None
    if _config.mongodb_uri is None:
        server.embedded_mongo = EmbeddedMongo(_config.data_dir)
        try:
            os.environ[URI_VARIABLE] = server.embedded_mongo.start()
        except EmbeddedMongoError as error:
            _fail(error)
        _look_after_mongo(server)

    server.spawn_worker = _without_signals(server.spawn_worker)

    def interrupt(number, frame):
        # The first Ctrl-C ends as gently as SIGTERM does; gunicorn takes a later one as an order to hurry.
        server.SIG_QUEUE.put_nowait(signal.SIGINT if interrupt.again else signal.SIGTERM)
        interrupt.again = True

    interrupt.again = False
    signal.signal(signal.SIGINT, interrupt)


def _look_after_mongo(server):
    # The master looks after its children when one has ended, and every second. It takes each for a worker, so we look
    # first how mongod has ended.
    keeper = MongoKeeper(server.embedded_mongo)
    reap_workers, manage_workers = server.reap_workers, server.manage_workers

    def reap():
        keeper.notice()
        reap_workers()

    def manage():
        try:
            keeper.look_after()
        except EmbeddedMongoError as error:
            logging.getLogger("chatsupport").error(error)
            raise HaltServer(None, 1) from None
        manage_workers()

    server.reap_workers, server.manage_workers = reap, manage


def _without_signals(spawn):
    # A signal that reaches a worker before post_fork() would be put into its copy of the master's queue and forgotten.
    def spawn_worker():
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        try:
            return spawn()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)

    return spawn_worker


def post_fork(server, worker):
    """Tie the worker to its master, and let it be ended at once until it serves."""
    for number in worker.SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    _ignore_the_terminal()
    worker.init_signals = lambda: None
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    if sys.platform == "linux":
        # PR_SET_PDEATHSIG: unlike the others, gunicorn's eventlet worker does not notice that its master was killed.
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
        if os.getppid() != worker.ppid:
            sys.exit(0)


def _ignore_the_terminal():
    # Ctrl-C and the end of the terminal reach a worker too, but it is the master that says when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def post_worker_init(worker):
    """Say that it serves, and have SIGTERM tell the clients before their connections are closed."""
    # Not before: what it reads with has to be patched for greenlets first.
    from chatsupport.realtime import reading

    reading.install(_config.send_timeout)
    connections = _track_connections(worker)
    type(worker).init_signals(worker)
    _ignore_the_terminal()
    signal.signal(signal.SIGTERM, lambda number, frame: _begin_to_leave(worker, connections))
    # The order to hurry. Gunicorn's own handler raises SystemExit in a greenlet, which prints a traceback.
    signal.signal(signal.SIGQUIT, lambda number, frame: os._exit(0))
    if worker.age == 1:
        name = "localhost" if _config.host in ("127.0.0.1", "0.0.0.0", "::1", "::") else _address
        print(f"Chat Support is serving on http://{name}:{_config.port}", flush=True)


def _track_connections(worker):
    # Returns the set of the open client sockets, kept up to date.
    connections = set()
    handle = worker.handle

    def track(listener, client, address):
        if listener.fileno() < 0:
            client.close()  # Accepted just before the listener was closed; gunicorn would log a traceback.
            return
        connections.add(client)
        try:
            handle(listener, client, address)
        finally:
            connections.discard(client)

    worker.handle = track
    return connections


def _begin_to_leave(worker, connections):
    # Runs in a signal handler, where nothing may wait: the rest is a greenlet's work.
    import eventlet

    if worker.alive:
        worker.alive = False
        # The master kills a worker that takes too long, but the master itself may have been killed.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(graceful_timeout)
        eventlet.spawn(_leave, connections)


def _leave(connections):
    import eventlet

    from chatsupport.realtime import transport

    transport.drain()
    while True:
        # What is still open now is an idle keep-alive connection, a request that is being answered, or a client that
        # does not care. Not reading on ends the first and the last; the answer can still be sent.
        eventlet.sleep(0.5)
        for client in list(connections):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RD)


def worker_exit(server, worker):
    """Let nothing be forgotten of the requests that were answered after the sockets were closed, and be gone."""
    if worker.booted:
        from chatsupport.realtime import transport

        transport.flush()
        transport.leave()
        if not worker.alive:
            # PyMongo would wait a second for its monitors, which have nothing left to do.
            logging.shutdown()
            sys.stdout.flush()
            os._exit(0)


def on_exit(server):
    """Stop the embedded MongoDB, after the last worker."""
    # There is nothing left to hurry. While Python itself ends, a handler of ours would be gone and the signal deadly.
    _ignore_the_terminal()
    if server.embedded_mongo is not None:
        server.embedded_mongo.stop()


def _raise_file_limit(wanted):
    # Every connection is a file, and the usual soft limit is 1024.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))
