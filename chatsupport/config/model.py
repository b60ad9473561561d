"""The configuration's fields, their defaults and how the environment fills them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from chatsupport.config import parsers as parse
from chatsupport.config.feature_variables import T, Variable
from chatsupport.config.jwt_secret import MIN_BYTES, stored_jwt_secret
from chatsupport.config.reader import ConfigError, Reader, unquoted

_PAAS_VARIABLES = ("DYNO", "RENDER", "RAILWAY_ENVIRONMENT", "FLY_APP_NAME", "K_SERVICE")
_LOCAL_FRONTENDS = ("http://localhost:3000", "http://localhost:5173")


@dataclass(frozen=True)
class Config:
    """Everything that can be configured; secrets are left out of repr()."""

    jwt_secret: str = field(repr=False)
    jwt_secret_previous: str | None = field(default=None, repr=False)
    app_env: str = "development"
    host: str = "127.0.0.1"
    port: int = 5000
    frontend_urls: tuple[str, ...] = _LOCAL_FRONTENDS
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    identity_secret: str | None = field(default=None, repr=False)
    public_url: str | None = None
    base_path: str = ""
    trusted_proxies: int = 0
    mongodb_uri: str | None = field(default=None, repr=False)
    mongodb_db: str = "chat-support"
    redis_url: str | None = field(default=None, repr=False)
    data_dir: Path = Path("data")
    log_dir: Path = Path("logs")
    log_level: str = "INFO"
    log_to_files: bool = True
    slow_ms: int = 200
    rate_limits: bool = True
    rate_limit_tokens: str = "30/minute"
    rate_limit_logins: str = "5/minute"
    rate_limit_logins_address: str = "5/minute"
    rate_limit_resets: str = "5/hour"
    rate_limit_connections: str = "120/minute"
    rate_limit_start_session: str = "10/minute"
    rate_limit_start_session_address: str = "30/minute"
    rate_limit_refusals: str = "60/minute"
    rate_limit_messages: str = "20/10 seconds"
    rate_limit_search: str = "30/minute"
    rate_limit_typing: str = "60/minute"
    rate_limit_updates: str = "30/minute"
    rate_limit_files: str = "10/minute"
    rate_limit_file_bytes: str = "209715200/hour"
    rate_limit_events: str = "300/10 seconds"
    rate_limit_answers: str = "16000000/minute"
    rate_limit_stray_packets: str = "1200/minute"
    rate_limit_log_lines: str = "600/minute"
    default_agents: tuple[str, ...] = ()
    agent_grace: float = 60.0
    queue_limit: int = 10_000
    no_reply_after: float | None = None
    idle_end_after: float | None = None
    bot_reply_after: float = 20.0
    sticky_agent: bool = True
    send_queue_limit: int = 256
    send_timeout: float = 20.0
    max_sockets_per_caller: int = 20
    max_unfinished_sockets: int = 3_000
    max_unfinished_sockets_per_address: int = 100
    max_body_bytes: int = 64 * 1024
    worker_connections: int = 12000
    socketio_client_url: str | None = None
    async_mode: str = "eventlet"
    timed_work: bool = True
    """Whether the server does its timed work; only tests that call it themselves switch it off."""
    of_features: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The values of the features' variables, by name. A missing one has its default."""

    def value(self, variable: Variable[T]) -> T:
        """Return the value of a feature's variable."""
        value: T = self.of_features.get(variable.name, variable.default)
        return value

    @property
    def is_production(self) -> bool:
        """Return whether this is a production server."""
        return self.app_env == "production"

    @property
    def public_origin(self) -> str | None:
        """Return scheme, host and port of PUBLIC_URL, in the form that browsers use for an origin."""
        return "/".join(self.public_url.split("/")[:3]) if self.public_url else None

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, variables: Iterable[Variable[Any]] = ()) -> Config:
        """Read `environ`, or the process environment over `.env`; raise ConfigError with every bad variable.

        `variables` are those of the features. gunicorn's master must not import these, so it checks only the core's.
        """
        reader, variables = Reader(_process_environment() if environ is None else environ), list(variables)
        config = cls._read(reader, variables)
        for variable in variables:
            reader.check_required(variable.name, variable.requires)
        if reader.problems:
            raise ConfigError(reader.problems)
        return config

    @classmethod
    def misspelled(
        cls, environ: Mapping[str, str] | None = None, variables: Iterable[Variable[Any]] = ()
    ) -> dict[str, str]:
        """Return the variables whose names look misspelled, each with the name that was probably meant."""
        reader = Reader(_process_environment() if environ is None else environ)
        cls._read(reader, variables)
        return reader.misspelled()

    @classmethod
    def _read(cls, reader: Reader, variables: Iterable[Variable[Any]]) -> Config:
        app_env = reader.read(reader.first_set("APP_ENV", "NODE_ENV"), parse.environment, "development")
        production = app_env == "production"
        on_paas = production and reader.has(*_PAAS_VARIABLES)
        data_dir = reader.read("DATA_DIR", parse.directory, parse.directory("data"))
        mongodb_uri = _mongodb_uri(reader, production=production)
        public_url = reader.read("PUBLIC_URL", parse.public_url, None)
        return cls(
            app_env=app_env,
            host=reader.read("HOST", parse.host, "0.0.0.0" if production else cls.host),  # noqa: S104 - a server's job
            port=reader.read("PORT", parse.integer(1, 65535, "a port number"), cls.port),
            frontend_urls=reader.read(
                reader.first_set("FRONTEND_URLS", "FRONTEND_URL"),
                parse.comma_list(parse.origin(wildcard=not production)),
                cls.frontend_urls,
            ),
            jwt_secret=_jwt_secret(reader, data_dir, production=production),
            jwt_secret_previous=reader.read("JWT_SECRET_PREVIOUS", parse.secret(min_bytes=MIN_BYTES), None),
            api_keys=reader.read("API_KEY", parse.comma_list(parse.api_key(min_length=16 if production else 1)), ()),
            identity_secret=reader.read(
                "IDENTITY_SECRET", parse.secret(min_bytes=MIN_BYTES) if production else str, None
            ),
            public_url=public_url,
            base_path=reader.read("BASE_PATH", parse.base_path(public_url), parse.path_of(public_url)),
            trusted_proxies=reader.read("TRUSTED_PROXIES", parse.integer(0, 10), 0),
            mongodb_uri=mongodb_uri,
            mongodb_db=reader.read("MONGODB_DB", parse.mongodb_name, parse.database_in(mongodb_uri) or cls.mongodb_db),
            redis_url=reader.read(
                "REDIS_URL", parse.redis_url(verify=reader.read("REDIS_TLS_VERIFY", parse.boolean, True)), None
            ),
            data_dir=data_dir,
            log_dir=reader.read("LOG_DIR", parse.directory, parse.directory("logs")),
            log_level=reader.read("LOG_LEVEL", parse.log_level, cls.log_level),
            log_to_files=reader.read("LOG_TO_FILES", parse.boolean, not on_paas),
            slow_ms=reader.read("SLOW_MS", parse.integer(0, 600_000, "milliseconds"), cls.slow_ms),
            rate_limits=reader.read("RATE_LIMITS", parse.boolean, True),
            rate_limit_tokens=reader.read("RATE_LIMIT_TOKENS", parse.rate, cls.rate_limit_tokens),
            rate_limit_logins=reader.read("RATE_LIMIT_LOGINS", parse.rate, cls.rate_limit_logins),
            rate_limit_logins_address=reader.read(
                "RATE_LIMIT_LOGINS_ADDRESS", parse.rate, cls.rate_limit_logins_address
            ),
            rate_limit_resets=reader.read("RATE_LIMIT_RESETS", parse.rate, cls.rate_limit_resets),
            rate_limit_connections=reader.read("RATE_LIMIT_CONNECTIONS", parse.rate, cls.rate_limit_connections),
            rate_limit_start_session=reader.read("RATE_LIMIT_START_SESSION", parse.rate, cls.rate_limit_start_session),
            rate_limit_start_session_address=reader.read(
                "RATE_LIMIT_START_SESSION_ADDRESS", parse.rate, cls.rate_limit_start_session_address
            ),
            rate_limit_refusals=reader.read("RATE_LIMIT_REFUSALS", parse.rate, cls.rate_limit_refusals),
            rate_limit_search=reader.read("RATE_LIMIT_SEARCH", parse.rate, cls.rate_limit_search),
            rate_limit_messages=reader.read("RATE_LIMIT_MESSAGES", parse.rate, cls.rate_limit_messages),
            rate_limit_typing=reader.read("RATE_LIMIT_TYPING", parse.rate, cls.rate_limit_typing),
            rate_limit_updates=reader.read("RATE_LIMIT_UPDATES", parse.rate, cls.rate_limit_updates),
            rate_limit_files=reader.read("RATE_LIMIT_FILES", parse.rate, cls.rate_limit_files),
            rate_limit_file_bytes=reader.read("RATE_LIMIT_FILE_BYTES", parse.rate, cls.rate_limit_file_bytes),
            rate_limit_events=reader.read("RATE_LIMIT_EVENTS", parse.rate, cls.rate_limit_events),
            rate_limit_answers=reader.read("RATE_LIMIT_ANSWERS", parse.rate, cls.rate_limit_answers),
            rate_limit_stray_packets=reader.read("RATE_LIMIT_STRAY_PACKETS", parse.rate, cls.rate_limit_stray_packets),
            rate_limit_log_lines=reader.read("RATE_LIMIT_LOG_LINES", parse.rate, cls.rate_limit_log_lines),
            default_agents=reader.read(
                "DEFAULT_AGENTS",
                parse.comma_list(parse.agent_name),
                ("Alice", "Bob", "Carol") if app_env == "development" else (),
            ),
            agent_grace=reader.read("AGENT_GRACE", parse.seconds(1, 86_400), cls.agent_grace),
            queue_limit=reader.read("QUEUE_LIMIT", parse.integer(1, 1_000_000), cls.queue_limit),
            no_reply_after=reader.read("NO_REPLY_AFTER", parse.seconds(1, 7 * 86_400, off=True), None),
            idle_end_after=reader.read("IDLE_END_AFTER", parse.seconds(1, 30 * 86_400, off=True), None),
            bot_reply_after=reader.read("BOT_REPLY_AFTER", parse.seconds(1, 3600), cls.bot_reply_after),
            sticky_agent=reader.read("STICKY_AGENT", parse.boolean, True),
            send_queue_limit=reader.read("SEND_QUEUE_LIMIT", parse.integer(16, 1_000_000), cls.send_queue_limit),
            send_timeout=reader.read("SEND_TIMEOUT", parse.seconds(1, 600), cls.send_timeout),
            max_sockets_per_caller=reader.read(
                "MAX_SOCKETS_PER_CALLER", parse.integer(1, 100_000), cls.max_sockets_per_caller
            ),
            max_unfinished_sockets=reader.read(
                "MAX_UNFINISHED_SOCKETS", parse.integer(1, 1_000_000), cls.max_unfinished_sockets
            ),
            max_unfinished_sockets_per_address=reader.read(
                "MAX_UNFINISHED_SOCKETS_PER_ADDRESS",
                parse.integer(1, 1_000_000),
                cls.max_unfinished_sockets_per_address,
            ),
            max_body_bytes=reader.read("MAX_BODY_BYTES", parse.integer(8192, 2**24), cls.max_body_bytes),
            worker_connections=reader.read("WORKER_CONNECTIONS", parse.integer(10, 1_000_000), cls.worker_connections),
            socketio_client_url=reader.read("SOCKETIO_CLIENT_URL", parse.web_url, None),
            async_mode=reader.read("ASYNC_MODE", parse.one_of("eventlet", "threading"), cls.async_mode),
            of_features={
                one.name: reader.read(one.name, (production and one.in_production) or one.parse, one.default)
                for one in variables
            },
        )


def _process_environment() -> dict[str, str]:
    # os.environ is left as it is, so that tests and child processes see the same environment whether or not this ran.
    try:
        from_file = {name: text for name, text in dotenv_values(".env").items() if text is not None}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f".env cannot be read: {error}"]) from error
    return {**from_file, **{name: text for name, text in os.environ.items() if unquoted(text)}}


def _jwt_secret(reader: Reader, data_dir: Path, *, production: bool) -> str:
    if production:
        return reader.require("JWT_SECRET", parse.secret(min_bytes=MIN_BYTES), "", "in production")
    if reader.has("JWT_SECRET"):
        return reader.read("JWT_SECRET", str, "")
    if any(problem.startswith("DATA_DIR ") for problem in reader.problems):
        return ""
    try:
        return stored_jwt_secret(data_dir)
    except ValueError as error:
        reader.problems.append(f"JWT_SECRET cannot be read: {error}")
    except OSError as error:
        reader.problems.append(f"DATA_DIR must be a directory that the server can write to: {error}")
    return ""


def _mongodb_uri(reader: Reader, *, production: bool) -> str | None:
    if production:
        return reader.require("MONGODB_URI", parse.mongodb_uri, None, "in production")
    return reader.read("MONGODB_URI", parse.mongodb_uri, None)
