"""`python deploy/backup.py DIRECTORY`: copy the files of a MongoDB on this machine, while servers run.

Use it if mongodump is not available. Writes wait while the files are copied (fsyncLock), and reads go on. It takes
seconds for some GB on a good disk. A client that sends meanwhile is told after 8 s to try again, and nothing is lost.
See docs/operations.md.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NoReturn

PROJECT = Path(__file__).parents[1]
sys.path.insert(0, str(PROJECT))

import pymongo  # noqa: E402
from pymongo.errors import PyMongoError  # noqa: E402

from chatsupport.config import Config, ConfigError  # noqa: E402
from chatsupport.database.embedded import running_uri  # noqa: E402

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_NOT_DATA = shutil.ignore_patterns("mongod.lock", "diagnostic.data", "*.sock", "*.log*")


def main() -> None:
    """Make one backup, and say where it is."""
    if len(sys.argv) != 2:
        _fail("Usage: python deploy/backup.py DIRECTORY")
    target = Path(sys.argv[1]).absolute()
    os.chdir(PROJECT)
    try:
        config = Config.from_env()
    except ConfigError as error:
        _fail(str(error))
    uri = config.mongodb_uri or running_uri(config.data_dir)
    if uri is None:
        _fail("MongoDB is not running, so you can copy its files as they are: cp -a, from DATA_DIR/mongodb/files.")
    # However this program ends, even by a closed terminal, the database must not stay locked.
    for number in _ENDING:
        signal.signal(number, signal.default_int_handler)
    time_of_it = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}"
    try:
        # Connect to this member directly: any member of a replica set will do, best a secondary.
        with pymongo.MongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=5_000) as client:
            _copy(client, target / f"chat-support-{time_of_it}")
    except KeyboardInterrupt:
        _fail("Stopped. There is no backup, and MongoDB accepts writes again.")
    except PyMongoError as error:
        _fail(f"MongoDB refused: {error}")
    except OSError as error:
        _fail(f"The files could not be copied: {error}")


def _copy(client: pymongo.MongoClient[dict[str, Any]], target: Path) -> None:
    options = client.admin.command("getCmdLineOpts")["parsed"]
    source = Path(options.get("storage", {}).get("dbPath", "/data/db"))
    if not (source / "WiredTiger").is_file():
        _fail(f"The files of this MongoDB ({source}) are not on this machine, or cannot be read. Use mongodump.")
    # An interrupted copy keeps a name from which nobody restores it.
    unfinished = target.with_name(f"{target.name}.unfinished")
    client.admin.command("fsync", lock=True)
    started = time.monotonic()
    try:
        shutil.copytree(source, unfinished, ignore=_NOT_DATA)
    finally:
        for number in _ENDING:
            signal.signal(number, signal.SIG_IGN)
        client.admin.command("fsyncUnlock")
    seconds = time.monotonic() - started
    unfinished.rename(target)
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    print(f"{target}: {size / 2**20:.0f} MB, writes waited for {seconds:.1f} s")


def _fail(reason: str) -> NoReturn:
    print(reason, file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
