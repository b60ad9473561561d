"""How gunicorn serves Chat Support: one eventlet worker, with the embedded MongoDB beside it where none is configured.

https://docs.gunicorn.org/en/stable/settings.html explains the names; what is set here is what differs from the default.
"""

import logging
import os
import re
import resource
import signal
import socket
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # Until gunicorn's handlers stand, Ctrl-C ends the process at once, before the imports below: a KeyboardInterrupt
    # crashes orjson while it is imported, and is swallowed by eventlet while it patches.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from chatsupport.config import Config, ConfigError
from chatsupport.database.embedded import URI_VARIABLE, EmbeddedMongo, EmbeddedMongoError, MongoKeeper
from chatsupport.observability.logs import setup_logging
from chatsupport.realtime import master

warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated|The eventlet worker is deprecated")

_BAD_CONFIGURATION = os.EX_CONFIG
"""The exit status after which systemd does not start the server again (deploy/chat-support@.service)."""


def _fail(reason, status=1):
    print(reason, file=sys.stderr)
    sys.exit(status)


_ends_with_terminal = master.has_terminal()

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
master.name("chat-support")


def on_starting(server):
    """Set logging up and look whether the port is free, which gunicorn would try five times, a second each."""
    _check_options(server.cfg)
    master.decline_signals(server, ends_with_terminal=_ends_with_terminal)
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
        keeper = MongoKeeper(server.embedded_mongo)
        master.look_after(server, keeper.notice, keeper.look_after, EmbeddedMongoError)
    master.end_gently(server)


def post_fork(server, worker):
    """Tie the worker to its master, and let it be ended at once until it serves."""
    from chatsupport.realtime.worker import begin

    begin(worker)


def post_worker_init(worker):
    """Say that it serves, and have SIGTERM tell the clients before their connections are closed."""
    # Not before: what it reads with has to be patched for greenlets first.
    from chatsupport import shutdown
    from chatsupport.blueprints.errors import unreadable
    from chatsupport.realtime import http_requests
    from chatsupport.realtime.worker import serve

    http_requests.install(_config.send_timeout, unreadable)
    serve(worker, shutdown.drain, graceful_timeout)
    if worker.age == 1:
        name = "localhost" if _config.host in ("127.0.0.1", "0.0.0.0", "::1", "::") else _address
        print(f"Chat Support is serving on http://{name}:{_config.port}", flush=True)


def worker_exit(server, worker):
    """Let nothing be forgotten of the requests that were answered after the sockets were closed, and be gone."""
    if worker.booted:
        from chatsupport import shutdown

        shutdown.leave()
        if not worker.alive:
            # PyMongo would wait a second for its monitors, which have nothing left to do.
            logging.shutdown()
            sys.stdout.flush()
            os._exit(0)


def on_exit(server):
    """Stop the embedded MongoDB, after the last worker."""
    # There is nothing left to hurry. While Python itself ends, a handler of ours would be gone and the signal deadly.
    master.ignore_the_terminal()
    if server.embedded_mongo is not None:
        server.embedded_mongo.stop()


def _raise_file_limit(wanted):
    # Every connection is a file, and the usual soft limit is 1024.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))
