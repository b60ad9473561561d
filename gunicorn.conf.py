"""How gunicorn serves Chat Support: with one eventlet worker, and an embedded MongoDB if MONGODB_URI is not set.

https://docs.gunicorn.org/en/stable/settings.html explains the settings. Only those that differ from the default are
here.
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
    # Until gunicorn sets its handlers, Ctrl-C ends the process at once: a KeyboardInterrupt would crash the import of
    # orjson, and eventlet would swallow it while it patches.
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

# Rooms and their members are in the worker's memory, so several processes need a sticky proxy.
workers = 1
worker_class = "eventlet"
# The limit of open connections, including websockets. At the limit, not even a health check is answered.
worker_connections = _config.worker_connections
backlog = 2048
# Longer than usual proxies keep an idle connection (60 s), so that it is never closed during a request.
keepalive = 65
# A worker that has not ended after this many seconds is killed. Heroku allows 30; Ctrl-C should not take 10.
graceful_timeout = 8
# On Python 3.13 the control socket crashes the master on SIGTERM, which leaves the worker behind.
control_socket_disable = True
# Only the application reads forwarded headers, because it knows the number of proxies (TRUSTED_PROXIES). Gunicorn need
# not look whose they are, because there are none that it believes.
forwarded_allow_ips = "*"
secure_scheme_headers = {}
forwarder_headers = ""
# If gunicorn's parser in C is installed, gunicorn would use it, and our checks of requests would not be asked.
http_parser = "python"
# The application logs every request, and also gunicorn's warnings.
loglevel = "warning"
master.name("chat-support")


def on_starting(server):
    """Set up logging, and check that the port is free: gunicorn would try it five times, a second apart."""
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
    # gunicorn's command line and GUNICORN_CMD_ARGS win over this file.
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
    # A worker that cannot load the application (status 4) has said why in one line. gunicorn would add three.
    text = record.getMessage()
    return not re.match(r"Worker \(pid:\d+\) exited with code 4\b|Shutting down: |Reason: App failed to load", text)


def when_ready(server):
    """Start the embedded MongoDB. The port is ours by now, and gunicorn queues signals."""
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
    """Tie the worker to its master, and let signals end it at once until it serves."""
    from chatsupport.realtime.worker import begin

    begin(worker)


def post_worker_init(worker):
    """Log that the server is serving, and from now on tell clients on SIGTERM before closing their connections."""
    # Not earlier, because the modules that it reads with must be patched for greenlets first.
    from chatsupport import shutdown
    from chatsupport.blueprints.errors import unreadable
    from chatsupport.blueprints.headers import ALWAYS
    from chatsupport.realtime import http_requests
    from chatsupport.realtime.worker import serve

    http_requests.install(worker.cfg, _config.send_timeout, unreadable, ALWAYS.items())
    serve(worker, shutdown.drain, graceful_timeout)
    if worker.age == 1:
        name = "localhost" if _config.host in ("127.0.0.1", "0.0.0.0", "::1", "::") else _address
        print(f"Chat Support is serving on http://{name}:{_config.port}", flush=True)


def worker_exit(server, worker):
    """Write the buffers of requests that were answered after the sockets were closed, and exit."""
    if worker.booted:
        from chatsupport import shutdown

        shutdown.leave()
        if not worker.alive:
            # PyMongo would wait a second for its monitors, which are no longer needed.
            logging.shutdown()
            sys.stdout.flush()
            os._exit(0)


def on_exit(server):
    """Stop the embedded MongoDB, after the last worker."""
    # Nothing is left to interrupt. While Python exits, our handlers are gone, and the signal would kill it.
    master.ignore_the_terminal()
    if server.embedded_mongo is not None:
        server.embedded_mongo.stop()


def _raise_file_limit(wanted):
    # Every connection is an open file, and the usual soft limit is 1024.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))
