"""The checks of `doctor`. They change nothing."""

from __future__ import annotations

import os
import resource
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import redis

from chatsupport import documents, feature, migration, serializers, startup
from chatsupport.cli.rest import RefusedError, Rest, own_url
from chatsupport.config import Config, ConfigError
from chatsupport.database import clock as database_clock
from chatsupport.database import connection, redis_server
from chatsupport.database.connection import translate_errors
from chatsupport.database.embedded import running_uri
from chatsupport.documents import Agent, Department, Process
from chatsupport.documents.agent import departments_of
from chatsupport.documents.indexes import builds_under_way
from chatsupport.errors import CannotServeError, DatabaseUnavailableError
from chatsupport.feature import FAIL, OK, WARN, Finding
from chatsupport.services.server import processes

SLOW_WRITE_MS = 100
FILES_BESIDE_SOCKETS = 256
FREE_WARN_BYTES, FREE_FAIL_BYTES = 2 * 2**30, 200 * 2**20


def configuration(config: Config) -> Iterator[Finding]:
    """Check for settings that are valid but probably wrong. Invalid settings have ended the command before."""
    yield Finding(OK, f"{config.app_env}, complete and readable")
    for name, meant in Config.misspelled(variables=feature.variables(feature.installed())).items():
        yield Finding(WARN, f"{name} is set, but no such variable exists", f"did you mean {meant}?")
    if not config.api_keys:
        yield Finding(
            WARN, "API_KEY is not set", "set it: without it, no server and no operator can make tokens for agents"
        )
    if not config.is_production:
        return
    if config.identity_secret is None:
        yield Finding(
            WARN, "IDENTITY_SECRET is not set, so anybody can claim to be any visitor", "set it: docs/security.md"
        )
    if config.trusted_proxies == 0:
        yield Finding(
            WARN,
            "TRUSTED_PROXIES is 0",
            "if the server is behind proxies, set it to their number; otherwise all visitors share one address",
        )
    plain = [url for url in config.frontend_urls if url.startswith("http://")]
    if plain:
        yield Finding(
            WARN,
            f"FRONTEND_URLS has {plain[0]}",
            "serve the site over https; otherwise others can read tokens on the network",
        )
    if not config.rate_limits:
        yield Finding(WARN, "RATE_LIMITS is off", "turn it on, unless a proxy limits requests")


def database(config: Config) -> Iterator[Finding]:
    """Check the database: whether it answers, its version, and how long a durable write takes."""
    try:
        with startup.refused(config), translate_errors(), pymongo.timeout(5.0):
            client = connection.database().client
            hello, version = client.admin.command("hello"), client.server_info()["version"]
            if int(version.split(".")[0]) < connection.OLDEST_VERSION:
                yield Finding(FAIL, f"MongoDB {version}", f"upgrade it: {connection.OLDEST_VERSION}.0 is the oldest")
            started = time.perf_counter()
            nothing = {"_id": "nothing"}
            meta = connection.database().meta.with_options(write_concern=connection.DURABLE)
            meta.update_one(nothing, {"$unset": {"nothing": 1}})
            write_ms = (time.perf_counter() - started) * 1000
            yield Finding(OK, f"MongoDB {version}, {config.mongodb_db}, a durable write takes {write_ms:.0f} ms")
            if write_ms > SLOW_WRITE_MS:
                yield Finding(WARN, "writes are slow", "check the disk of MongoDB, and the network to it")
            if "setName" not in hello and config.is_production:
                yield Finding(
                    WARN, "a single MongoDB, not a replica set", "use three members: a lost disk means lost data"
                )
            if migration.is_needed():
                yield Finding(FAIL, "holds data of the Node.js system", "run `flask --app wsgi migrate`")
    except DatabaseUnavailableError:
        yield Finding(FAIL, "does not answer", "check MONGODB_URI, that MongoDB is running, and the network to it")
    except ConfigError as error:
        yield Finding(FAIL, "cannot be used", str(error))


def indexes(_: Config) -> Iterator[Finding]:
    """Check that every index exists, or how far its build is."""
    try:
        missing = documents.missing_indexes()
    except CannotServeError as error:
        yield Finding(FAIL, str(error))
        return
    under_way = builds_under_way() if missing else {}
    for index in missing:
        if index.name in under_way:
            yield Finding(WARN, f"{index} is being built, {under_way[index.name]}")
    if idle := [str(index) for index in missing if index.name not in under_way]:
        yield Finding(FAIL, f"missing: {', '.join(idle)}", "start a server or run `flask --app wsgi init-db`")
    if not missing:
        yield Finding(OK, "all there")


def clock(_: Config) -> Iterator[Finding]:
    """Compare all clocks with the database's clock. While one is wrong, nothing old is deleted."""
    connection.measure_time()
    own = {"this machine": database_clock.own_offset() or 0.0}
    others = {f"{row['host']}, process {row['pid']},": row.get("clockOffset") or 0.0 for row in _running_processes()}
    wrong = {name: ahead for name, ahead in (own | others).items() if database_clock.is_off(ahead)}
    wrong |= {f"MongoDB's member {name}": ahead for name, ahead in database_clock.wrong_members().items()}
    for name, ahead in wrong.items():
        todo = "let NTP set both clocks; until then, nothing old is deleted"
        yield Finding(WARN, f"the clock of {name} is {database_clock.described(ahead)} the database's", todo)
    if not wrong:
        yield Finding(OK, f"{round(own['this machine'], 1) + 0:+.1f} s from the database's")


def running(_: Config) -> Iterator[Finding]:
    """List the server processes of this database, and check that they can reach each other."""
    rows = _running_processes()
    shown = ", ".join(f"{row['host']} {row['pid']} (version {row['version']})" for row in rows)
    if len(rows) > 1 and (None in {row.get("redis") for row in rows} or len({row.get("redis") for row in rows}) > 1):
        todo = "set the same REDIS_URL for all; until then, messages between their clients are late"
        yield Finding(FAIL, f"{shown} share no Redis", todo)
    else:
        yield Finding(OK, shown or "none")


def _running_processes() -> list[dict[str, Any]]:
    since = {"$subtract": ["$$NOW", processes.LIVE_SECONDS * 1000]}
    return list(Process.collection().find({"$expr": {"$gt": ["$beatAt", since]}}, sort=[("startedAt", 1)]))


def agents(_: Config) -> Iterator[Finding]:
    """Check that some agent can answer visitors."""
    rows = list(Agent.collection().find({}))
    there = [row for row in rows if serializers.is_there(row)]
    if there:
        yield Finding(OK, f"{len(there)} of {len(rows)} online")
    else:
        todo = (
            "make one with `flask --app wsgi agents add`" if not rows else "visitors wait until an agent comes online"
        )
        yield Finding(WARN, "none" if not rows else f"none of {len(rows)} online", todo)
    served = {one for row in rows for one in departments_of(row) or ()}
    serves_all = any(departments_of(row) is None for row in rows)
    for department in Department.collection().find({"overflowAfter": None}, sort=[("key", 1)]):
        if not serves_all and department["_id"] not in served:
            todo = "add it to an agent's departmentIds, or set its overflowAfter"
            yield Finding(WARN, f"no agent gets the sessions of the department {department['name']}", todo)


def valkey(config: Config) -> Iterator[Finding]:
    """Check that Valkey or Redis, if configured, can do what servers need."""
    if config.redis_url is None:
        yield Finding(OK, "not configured; only several server processes need it")
        return
    try:
        version, taken = redis_server.try_out(config.redis_url)
    except ConfigError as error:
        yield Finding(FAIL, "cannot be used", str(error))
    except redis.RedisError as error:
        todo = "check REDIS_URL, and that it is running; until then, messages between processes are late"
        yield Finding(FAIL, f"does not answer ({type(error).__name__})", todo)
    else:
        yield Finding(OK, f"version {version}, a published message arrives after {taken:.0f} ms")


def open_files(config: Config) -> Iterator[Finding]:
    """Compare the hard limit of open files, up to which the server raises its own, with the number of connections."""
    hard, wanted = resource.getrlimit(resource.RLIMIT_NOFILE)[1], config.worker_connections + FILES_BESIDE_SOCKETS
    if hard == resource.RLIM_INFINITY or hard >= wanted:
        shown = "no limit" if hard == resource.RLIM_INFINITY else str(hard)
        yield Finding(OK, f"{shown}, for {config.worker_connections} connections (WORKER_CONNECTIONS)")
    else:
        todo = f"LimitNOFILE={wanted} in the unit, `ulimit -Hn {wanted}`, or a lower WORKER_CONNECTIONS"
        yield Finding(WARN, f"{hard}, and {config.worker_connections} connections need {wanted}", todo)


def disk(config: Config) -> Iterator[Finding]:
    """Check that the server can write its files, and how much space is left."""
    directories = {"LOG_DIR": config.log_dir} if config.log_to_files else {}
    if running_uri(config.data_dir) == config.mongodb_uri:  # The embedded MongoDB is in DATA_DIR.
        directories["DATA_DIR"] = config.data_dir
    if not directories:
        yield Finding(OK, "nothing is written here")
    for name, directory in directories.items():
        there = _nearest(directory)
        free = shutil.disk_usage(there).free
        shown = f"{name} {directory}: {free / 2**30:.1f} GB free"
        if not os.access(there, os.W_OK | os.X_OK):
            yield Finding(FAIL, f"{name} {directory} is not writable", "change its owner or mode")
        elif free < FREE_FAIL_BYTES:
            yield Finding(FAIL, shown, "free some space: the database stops when the disk is full")
        else:
            yield Finding(
                WARN if free < FREE_WARN_BYTES else OK, shown, "free some space" if free < FREE_WARN_BYTES else ""
            )


def server(config: Config) -> Iterator[Finding]:
    """Check that the server of this configuration answers."""
    url = own_url(config)
    try:
        state = Rest(url, {}).call("GET", "/api/health")
    except RefusedError as error:
        yield Finding(FAIL, f"{url} answers {error}", "read its log")
    except OSError as error:
        yield Finding(WARN, f"none at {url} ({error})", "start it, if it should run on this machine")
    else:
        yield Finding(OK, f"{url} is {state['status']}, version {state['version']}")


def _nearest(directory: Path) -> Path:
    """Return the directory, or the existing one in which it would be made."""
    for candidate in (directory, *directory.absolute().parents):
        if candidate.exists():
            return candidate
    return Path("/")
