"""Configuration: defaults, every variable's good and bad values, and how problems are reported."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from chatsupport.config import Config, ConfigError

STRONG = "0123456789abcdef0123456789abcdef"
PRODUCTION = {"APP_ENV": "production", "JWT_SECRET": STRONG, "MONGODB_URI": "mongodb://db/"}


def read(**environ: str) -> Config:
    return Config.from_env({"JWT_SECRET": "test", **environ})


def problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Config.from_env(environ)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def test_defaults_are_those_of_the_contract() -> None:
    config = read()

    assert (config.app_env, config.host, config.port) == ("development", "127.0.0.1", 5000)
    assert config.frontend_urls == ("http://localhost:3000", "http://localhost:5173")
    assert (config.api_keys, config.identity_secret, config.trusted_proxies) == ((), None, 0)
    assert (config.mongodb_uri, config.mongodb_db, config.redis_url) == (None, "chat-support", None)
    assert (config.data_dir, config.log_dir) == (Path.cwd() / "data", Path.cwd() / "logs")
    assert (config.log_level, config.log_to_files, config.rate_limits) == ("INFO", True, True)
    assert (config.max_body_bytes, config.worker_connections, config.async_mode) == (65536, 12000, "eventlet")
    assert len(config.default_agents) == 3
    assert not config.is_production


def test_a_configuration_is_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        read().port = 1  # type: ignore[misc]


def test_an_empty_value_counts_as_not_set() -> None:
    names = [field.name.upper() for field in dataclasses.fields(Config)] + ["API_KEY", "NODE_ENV", "FRONTEND_URL"]
    blank = {name: "  " for name in names if name != "JWT_SECRET"}

    assert read(**blank) == read()


@pytest.mark.parametrize(
    ("environ", "field", "value"),
    [
        ({"APP_ENV": "testing"}, "app_env", "testing"),
        ({"NODE_ENV": "test"}, "app_env", "testing"),
        ({"NODE_ENV": "production", "APP_ENV": "Development"}, "app_env", "development"),
        ({"HOST": "::"}, "host", "::"),
        ({"HOST": "[::1]"}, "host", "::1"),
        ({"HOST": "db-1.internal"}, "host", "db-1.internal"),
        ({"PORT": " 65535 "}, "port", 65535),
        (
            {"FRONTEND_URLS": "https://A.example.com:443/, http://b:81,"},
            "frontend_urls",
            ("https://a.example.com", "http://b:81"),
        ),
        ({"FRONTEND_URLS": "http://[::1]:3000"}, "frontend_urls", ("http://[::1]:3000",)),
        ({"FRONTEND_URLS": "http://[2001:DB8:0::1]"}, "frontend_urls", ("http://[2001:db8::1]",)),
        ({"FRONTEND_URLS": "*"}, "frontend_urls", ("*",)),
        ({"FRONTEND_URL": "http://a"}, "frontend_urls", ("http://a",)),
        ({"FRONTEND_URL": "http://a", "FRONTEND_URLS": "http://b"}, "frontend_urls", ("http://b",)),
        ({"API_KEY": "old, new,old"}, "api_keys", ("old", "new")),
        ({"IDENTITY_SECRET": "s"}, "identity_secret", "s"),
        ({"TRUSTED_PROXIES": "2"}, "trusted_proxies", 2),
        ({"PUBLIC_URL": "https://Chat.example.com:443/"}, "public_url", "https://chat.example.com"),
        ({"PUBLIC_URL": "HTTPS://example.com/Chat/"}, "public_url", "https://example.com/Chat"),
        ({"PUBLIC_URL": "http://[::1]:5000/a/b"}, "public_url", "http://[::1]:5000/a/b"),
        ({"PUBLIC_URL": "https://example.com/chat"}, "base_path", "/chat"),
        ({"PUBLIC_URL": "https://example.com/chat"}, "public_origin", "https://example.com"),
        ({"PUBLIC_URL": "https://example.com/chat", "BASE_PATH": "/chat/"}, "base_path", "/chat"),
        ({"BASE_PATH": "/chat/"}, "base_path", "/chat"),
        ({"BASE_PATH": "/"}, "base_path", ""),
        ({"BASE_PATH": "/api-of-ours"}, "base_path", "/api-of-ours"),
        ({"MONGODB_URI": "mongodb+srv://u:p@h/x"}, "mongodb_uri", "mongodb+srv://u:p@h/x"),
        ({"MONGODB_DB": "chat_2"}, "mongodb_db", "chat_2"),
        ({"REDIS_URL": "rediss://:pw@h:1/0"}, "redis_url", "rediss://:pw@h:1/0"),
        ({"REDIS_URL": "valkey://h"}, "redis_url", "redis://h"),
        ({"REDIS_URL": "redis://:p@ss%2F@[::1]:1/3"}, "redis_url", "redis://:p@ss%2F@[::1]:1/3"),
        ({"REDIS_URL": "redis://h", "REDIS_TLS_VERIFY": "off"}, "redis_url", "redis://h"),
        (
            {"REDIS_URL": "rediss://h?ssl_cert_reqs=required", "REDIS_TLS_VERIFY": "off"},
            "redis_url",
            "rediss://h?ssl_cert_reqs=none&ssl_check_hostname=false",
        ),
        ({"REDIS_URL": "valkeys://h"}, "redis_url", "rediss://h"),
        ({"DATA_DIR": "/x/../y"}, "data_dir", Path("/y")),
        ({"LOG_LEVEL": "debug"}, "log_level", "DEBUG"),
        ({"LOG_TO_FILES": "no"}, "log_to_files", False),
        ({"RATE_LIMITS": "OFF"}, "rate_limits", False),
        ({"RATE_LIMIT_TOKENS": "5 / Second"}, "rate_limit_tokens", "5/second"),
        ({"RATE_LIMIT_SEARCH": "3/minute"}, "rate_limit_search", "3/minute"),
        ({"RATE_LIMIT_MESSAGES": "100/1 hours"}, "rate_limit_messages", "100/hour"),
        ({"RATE_LIMIT_TYPING": "7/3 minute"}, "rate_limit_typing", "7/3 minutes"),
        ({"RATE_LIMIT_UPDATES": "9/minute"}, "rate_limit_updates", "9/minute"),
        ({"RATE_LIMIT_REFUSALS": "5/minute"}, "rate_limit_refusals", "5/minute"),
        ({"RATE_LIMIT_START_SESSION_ADDRESS": "5/minute"}, "rate_limit_start_session_address", "5/minute"),
        ({"RATE_LIMIT_EVENTS": "5/second"}, "rate_limit_events", "5/second"),
        ({"RATE_LIMIT_ANSWERS": "999999999/minute"}, "rate_limit_answers", "999999999/minute"),
        ({"RATE_LIMIT_STRAY_PACKETS": "9/minute"}, "rate_limit_stray_packets", "9/minute"),
        ({"RATE_LIMIT_LOG_LINES": "9/minute"}, "rate_limit_log_lines", "9/minute"),
        ({"MAX_UNFINISHED_SOCKETS": "7"}, "max_unfinished_sockets", 7),
        ({"MAX_UNFINISHED_SOCKETS_PER_ADDRESS": "7"}, "max_unfinished_sockets_per_address", 7),
        ({"SEND_TIMEOUT": "2.5"}, "send_timeout", 2.5),
        ({"DEFAULT_AGENTS": "Zoë, Li Na"}, "default_agents", ("Zoë", "Li Na")),
        ({"APP_ENV": "testing"}, "default_agents", ()),
        ({"MAX_BODY_BYTES": "8192"}, "max_body_bytes", 8192),
        ({"WORKER_CONNECTIONS": "50"}, "worker_connections", 50),
        ({"JWT_SECRET_PREVIOUS": STRONG}, "jwt_secret_previous", STRONG),
        ({"MAX_SOCKETS_PER_CALLER": "3"}, "max_sockets_per_caller", 3),
        ({"SLOW_MS": "0"}, "slow_ms", 0),
        ({"SLOW_MS": "1500"}, "slow_ms", 1500),
        ({"SOCKETIO_CLIENT_URL": "https://c.example/io.js?v=4"}, "socketio_client_url", "https://c.example/io.js?v=4"),
        ({"ASYNC_MODE": "threading"}, "async_mode", "threading"),
    ],
)
def test_good_values_are_accepted(environ: dict[str, str], field: str, value: Any) -> None:
    assert getattr(read(**environ), field) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APP_ENV", "staging"),
        ("NODE_ENV", "prod"),
        ("SOCKETIO_CLIENT_URL", "/web/io.js"),
        ("SOCKETIO_CLIENT_URL", 'https://c.example/io.js"; script-src *'),
        ("SOCKETIO_CLIENT_URL", "javascript:alert(1)"),
        ("HOST", "a b"),
        ("HOST", "http://localhost"),
        *[("PORT", value) for value in ("0", "65536", "-1", "5000.0", "5_000", "٥", "abc", "1" * 13)],
        *[
            ("FRONTEND_URLS", value)
            for value in (
                "localhost:3000",
                "ftp://a",
                "https://a/path",
                "https://a?x",
                "https://u:p@a",
                "https://a:99999",
                "https://",
                "null",
                "http://a b",
                "https://*.example.com",
                "http://[::1",
                "http://[::::1]",
                "http://[fe80::1%25eth0]",
            )
        ],
        ("FRONTEND_URL", "nonsense"),
        ("API_KEY", "schlüssel"),
        ("API_KEY", "a b"),
        ("TRUSTED_PROXIES", "11"),
        *[("BASE_PATH", value) for value in ("chat", "/a b", "/a//b", "/a/../b", "/api", "/api/x", "/web", "/?x")],
        *[
            ("PUBLIC_URL", value)
            for value in (
                "chat.example.com",
                "ftp://chat.example.com",
                "https://u:p@chat.example.com",
                "https://chat.example.com?x",
                "https://chat.example.com/#x",
                "https://chat.example.com/a b",
                "https://example.com/api",
                "https://",
            )
        ],
        ("JWT_SECRET_PREVIOUS", "short"),
        ("MAX_SOCKETS_PER_CALLER", "0"),
        ("SLOW_MS", "-1"),
        ("SLOW_MS", "600001"),
        ("SLOW_MS", "off"),
        ("TRUSTED_PROXIES", "yes"),
        ("MONGODB_URI", "localhost:27017"),
        ("MONGODB_URI", "mongodb://"),
        *[("MONGODB_DB", value) for value in ("a b", "a/b", "a.b", "$a", "x" * 64, "admin")],
        ("REDIS_URL", "http://h"),
        ("REDIS_URL", "redis://"),
        ("REDIS_URL", "redis://:pass/word@h"),
        ("REDIS_URL", "redis://:pass#word@h"),
        ("REDIS_URL", "redis://:pass?word@h"),
        ("REDIS_URL", "redis://h:port"),
        ("REDIS_URL", "redis://h/zero"),
        ("REDIS_URL", "redis://h?ssl_cert_reqs=none"),
        ("REDIS_URL", "rediss://h?ssl_cert_reqs=CERT_NONE"),
        ("REDIS_URL", "rediss://h?ssl_ca_certs=/nowhere/ca.pem"),
        ("REDIS_URL", "redis://h?decode_responses=true"),
        ("REDIS_URL", "redis://h?protocol=3"),
        ("REDIS_URL", "redis://h?socket_timeout=0.001"),
        ("REDIS_URL", "redis://h?anything"),
        ("REDIS_TLS_VERIFY", "maybe"),
        ("DATA_DIR", "a\0b"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_TO_FILES", "2"),
        ("RATE_LIMITS", "sometimes"),
        ("RATE_LIMIT_ANSWERS", "16 MB/minute"),
        ("MAX_UNFINISHED_SOCKETS", "0"),
        ("SEND_TIMEOUT", "off"),
        *[
            ("RATE_LIMIT_TOKENS", value)
            for value in ("30", "0/minute", "30/day", "30 per minute", "x/minute", "1/0 hours")
        ],
        ("RATE_LIMIT_LOGINS", "many"),
        ("RATE_LIMIT_LOGINS_ADDRESS", "many"),
        ("RATE_LIMIT_RESETS", "many"),
        ("RATE_LIMIT_CONNECTIONS", "many"),
        ("RATE_LIMIT_START_SESSION", "many"),
        ("RATE_LIMIT_MESSAGES", "many"),
        ("RATE_LIMIT_TYPING", "many"),
        ("DEFAULT_AGENTS", "x" * 101),
        ("DEFAULT_AGENTS", "a\tb"),
        ("MAX_BODY_BYTES", "1"),
        ("WORKER_CONNECTIONS", "0"),
        ("ASYNC_MODE", "gevent"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_variable(name: str, value: str) -> None:
    found = problems({"JWT_SECRET": "test", name: value})

    assert len(found) == 1
    assert re.match(rf"{name} must be \S", found[0])
    assert "\n" not in found[0]


@pytest.mark.parametrize("quote", ['"', "'"])
def test_quotes_around_a_value_are_removed(quote: str) -> None:
    # `docker run --env-file` keeps them; `.env` and shells do not.
    plain = {
        "JWT_SECRET": STRONG, "API_KEY": "one,two", "PORT": "6000", "FRONTEND_URLS": "https://a.example,http://b",
        "MONGODB_URI": "mongodb://u:p@h/x", "REDIS_URL": "redis://h", "IDENTITY_SECRET": "it",
        "RATE_LIMIT_TYPING": "1/minute",
    }  # fmt: skip

    assert read(**{name: f" {quote}{value}{quote} " for name, value in plain.items()}) == read(**plain)
    assert read(PORT=quote * 2) == read()
    # Not one pair.
    for secret in (f"{quote}a", f"a{quote}", quote, f"{quote}a{quote},{quote}b{quote}"):
        assert read(JWT_SECRET=secret).jwt_secret == secret


def test_a_misspelled_name_is_found() -> None:
    set_here = {
        "JWT_SECRET": STRONG, "RATE_LIMIT_MESAGES": "1/minute", "MONGODB_URL": "x", "FRONTEND_URLS": "http://a",
        "API_KEYS": "k", "LOGLEVEL": "x", "DATA_DIR": "x", "NODE_ENV": "test", "FRONTEND_URL": "http://b",
        "QUEUE_LIMITS": "3",
        # Variables of other programs or of the system.
        "PATH": "/bin", "HOME": "/", "HOSTNAME": "h", "APP_NAME": "x", "REDIS_TLS_URL": "x", "LANG": "C",
        "OPENAI_API_KEY": "x", "PYTHONPATH": "x", "LOG_FORMAT": "x", "XDG_DATA_DIRS": "x", "DYNO": "x",
        "WEB_CONCURRENCY": "2", "MONGOD_BINARY": "/x", "REDIS_TEMPORARY_URL": "x",
    }  # fmt: skip

    assert Config.misspelled(set_here) == {
        "RATE_LIMIT_MESAGES": "RATE_LIMIT_MESSAGES", "MONGODB_URL": "MONGODB_URI", "API_KEYS": "API_KEY",
        "LOGLEVEL": "LOG_LEVEL", "QUEUE_LIMITS": "QUEUE_LIMIT",
    }  # fmt: skip


def test_all_problems_are_reported_at_once() -> None:
    found = problems({"APP_ENV": "production", "PORT": "x", "LOG_LEVEL": "x", "API_KEY": "short"})

    assert sorted(line.split()[0] for line in found) == ["API_KEY", "JWT_SECRET", "LOG_LEVEL", "MONGODB_URI", "PORT"]


def test_problems_do_not_repeat_secrets() -> None:
    found = problems({**PRODUCTION, "JWT_SECRET": "hunter2", "API_KEY": "hunter2", "MONGODB_URI": "user:hunter2@h"})

    assert len(found) == 3
    assert "hunter2" not in " ".join(found)


def test_secrets_are_not_in_the_repr() -> None:
    config = read(
        JWT_SECRET="hunter1", API_KEY="hunter2", IDENTITY_SECRET="hunter3",
        MONGODB_URI="mongodb://u:hunter4@h", REDIS_URL="redis://:hunter5@h",
    )  # fmt: skip

    assert "hunter" not in repr(config)
