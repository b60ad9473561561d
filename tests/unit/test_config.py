"""Configuration: defaults, every variable's good and bad values, and how problems are reported."""

from __future__ import annotations

import dataclasses
import os
import re
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import limits
import pytest

from chatsupport.config import Config, ConfigError, jwt_secret, model
from chatsupport.config.parsers import with_database

ROOT = Path(__file__).parents[2]
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


def test_a_configuration_does_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        read().port = 1  # type: ignore[misc]


def test_an_empty_value_is_the_same_as_none() -> None:
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
        ({"FRONTEND_URLS": "*"}, "frontend_urls", ("*",)),
        ({"FRONTEND_URL": "http://a"}, "frontend_urls", ("http://a",)),
        ({"FRONTEND_URL": "http://a", "FRONTEND_URLS": "http://b"}, "frontend_urls", ("http://b",)),
        ({"API_KEY": "old, new,old"}, "api_keys", ("old", "new")),
        ({"IDENTITY_SECRET": "s"}, "identity_secret", "s"),
        ({"TRUSTED_PROXIES": "2"}, "trusted_proxies", 2),
        ({"MONGODB_URI": "mongodb+srv://u:p@h/x"}, "mongodb_uri", "mongodb+srv://u:p@h/x"),
        ({"MONGODB_DB": "chat_2"}, "mongodb_db", "chat_2"),
        ({"REDIS_URL": "rediss://:pw@h:1/0"}, "redis_url", "rediss://:pw@h:1/0"),
        ({"REDIS_URL": "valkey://h"}, "redis_url", "redis://h"),
        ({"REDIS_URL": "valkeys://h"}, "redis_url", "rediss://h"),
        ({"DATA_DIR": "/x/../y"}, "data_dir", Path("/y")),
        ({"LOG_LEVEL": "debug"}, "log_level", "DEBUG"),
        ({"LOG_TO_FILES": "no"}, "log_to_files", False),
        ({"RATE_LIMITS": "OFF"}, "rate_limits", False),
        ({"RATE_LIMIT_TOKENS": "5 / Second"}, "rate_limit_tokens", "5/second"),
        ({"RATE_LIMIT_MESSAGES": "100/1 hours"}, "rate_limit_messages", "100/hour"),
        ({"RATE_LIMIT_TYPING": "7/3 minute"}, "rate_limit_typing", "7/3 minutes"),
        ({"DEFAULT_AGENTS": "Zoë, Li Na"}, "default_agents", ("Zoë", "Li Na")),
        ({"APP_ENV": "testing"}, "default_agents", ()),
        ({"MAX_BODY_BYTES": "8192"}, "max_body_bytes", 8192),
        ({"WORKER_CONNECTIONS": "50"}, "worker_connections", 50),
        ({"ASYNC_MODE": "threading"}, "async_mode", "threading"),
    ],
)
def test_good_values_are_taken(environ: dict[str, str], field: str, value: Any) -> None:
    assert getattr(read(**environ), field) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APP_ENV", "staging"),
        ("NODE_ENV", "prod"),
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
            )
        ],
        ("FRONTEND_URL", "nonsense"),
        ("API_KEY", "schlüssel"),
        ("API_KEY", "a b"),
        ("TRUSTED_PROXIES", "11"),
        ("TRUSTED_PROXIES", "yes"),
        ("MONGODB_URI", "localhost:27017"),
        ("MONGODB_URI", "mongodb://"),
        *[("MONGODB_DB", value) for value in ("a b", "a/b", "a.b", "$a", "x" * 64)],
        ("REDIS_URL", "http://h"),
        ("REDIS_URL", "redis://"),
        ("DATA_DIR", "a\0b"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_TO_FILES", "2"),
        ("RATE_LIMITS", "sometimes"),
        *[
            ("RATE_LIMIT_TOKENS", value)
            for value in ("30", "0/minute", "30/day", "30 per minute", "x/minute", "1/0 hours")
        ],
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
    assert re.match(rf"{name} takes \S", found[0])
    assert "\n" not in found[0]


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


@pytest.mark.parametrize("secret", ["", "short", "x" * 31, model.EXAMPLE_JWT_SECRET])
def test_production_refuses_a_weak_jwt_secret(secret: str) -> None:
    (problem,) = problems({**PRODUCTION, "JWT_SECRET": secret})

    assert problem.startswith("JWT_SECRET")
    assert "at least 32 bytes" in problem


def test_the_refused_secret_is_the_one_the_example_shows() -> None:
    assert f"#JWT_SECRET={model.EXAMPLE_JWT_SECRET}\n" in (ROOT / ".env.example").read_text()


def test_the_example_shows_every_variable_with_its_default(tmp_path: Path) -> None:
    lines = re.findall(r"^#([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    example = {name: value for name, value in lines if name not in ("MONGODB_URI", "DATA_DIR", "LOG_DIR")}

    assert dataclasses.replace(read(), jwt_secret="") == dataclasses.replace(Config.from_env(example), jwt_secret="")
    source = (ROOT / "chatsupport/config/model.py").read_text()
    read_by_us = set(re.findall(r'"([A-Z]+(?:_[A-Z]+)*)"', source)) - {*model._PAAS_VARIABLES, Config.log_level}
    assert read_by_us - {name for name, _ in lines} == {"NODE_ENV", "FRONTEND_URL", "ASYNC_MODE"}


def test_production_defaults() -> None:
    config = Config.from_env(PRODUCTION)

    assert config.is_production
    assert config.host == "0.0.0.0"
    assert config.default_agents == ()
    assert config.log_to_files


@pytest.mark.parametrize("name", ["DYNO", "RENDER", "RAILWAY_ENVIRONMENT", "FLY_APP_NAME", "K_SERVICE"])
def test_on_a_platform_production_logs_to_the_console_only(name: str) -> None:
    assert not Config.from_env({**PRODUCTION, name: "x"}).log_to_files
    assert Config.from_env({**PRODUCTION, name: "x", "LOG_TO_FILES": "1"}).log_to_files
    assert read(**{name: "x"}).log_to_files


@pytest.mark.parametrize("urls", ["*", "https://a.example.com,*"])
def test_production_refuses_a_wildcard_origin(urls: str) -> None:
    (problem,) = problems({**PRODUCTION, "FRONTEND_URLS": urls})

    assert "* is not taken in production" in problem


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Config) if "rate_limit_" in field.name])
def test_limits_are_understood_by_the_library(name: str) -> None:
    limits.parse(getattr(read(), name))
    assert limits.parse(getattr(read(**{name.upper(): "20/10 seconds"}), name)).get_expiry() == 10


def test_a_random_secret_is_kept_in_the_data_directory(tmp_path: Path) -> None:
    environ = {"DATA_DIR": str(tmp_path / "data")}

    first, second = Config.from_env(environ), Config.from_env(environ)

    assert first.jwt_secret == second.jwt_secret
    assert len(first.jwt_secret) >= 32
    assert stat.S_IMODE((tmp_path / "data/jwt-secret").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["jwt-secret"]
    assert Config.from_env({"DATA_DIR": str(tmp_path / "other")}).jwt_secret != first.jwt_secret


def test_processes_that_race_for_the_secret_get_the_same_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nobody sees the file at first, so that everybody makes one.
    monkeypatch.setattr(Path, "exists", lambda path: False)

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: jwt_secret.stored_jwt_secret(tmp_path), range(32)))

    assert len(found) == 1


def test_a_damaged_secret_is_reported(tmp_path: Path) -> None:
    (tmp_path / "jwt-secret").write_text("short")

    (problem,) = problems({"DATA_DIR": str(tmp_path)})

    assert problem.startswith("JWT_SECRET cannot be read")


def test_a_data_directory_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    (problem,) = problems({"DATA_DIR": str(tmp_path / "file/data")})

    assert problem.startswith("DATA_DIR takes a directory that can be written")


def test_the_environment_wins_over_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("PORT", "MONGODB_DB"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".env").write_text("PORT=6001\nMONGODB_DB=from-file\nJWT_SECRET=x\n")
    assert Config.from_env().port == 6001

    monkeypatch.setenv("PORT", "6002")
    monkeypatch.setenv("MONGODB_DB", "")

    assert (Config.from_env().port, Config.from_env().mongodb_db) == (6002, "from-file")
    assert os.environ["MONGODB_DB"] == ""


def test_an_env_file_that_cannot_be_read_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(b"PORT=\xff\xfe")

    with pytest.raises(ConfigError, match=r"^\.env cannot be read"):
        Config.from_env()


def test_reading_it_imports_nothing_that_has_to_be_patched_first() -> None:
    script = "import sys, chatsupport.config, chatsupport.database.embedded, chatsupport.logs; print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)

    assert not {"pymongo", "flask", "eventlet", "mongoengine", "redis"} & set(loaded.stdout.split())


@pytest.mark.parametrize(
    ("uri", "name", "expected"),
    [
        ("mongodb://h", "chat", "mongodb://h/chat"),
        ("mongodb://h/chat?a=1", "chat", "mongodb://h/chat?a=1"),
        ("mongodb://h/?directConnection=true", "chat", "mongodb://h/chat?directConnection=true"),
        ("mongodb://u:p@h1:1,h2:2/old?a=1", "chat", "mongodb://u:p@h1:1,h2:2/chat?a=1&authSource=old"),
        ("mongodb://u:p@h/old?authSource=admin", "chat", "mongodb://u:p@h/chat?authSource=admin"),
        ("mongodb+srv://u:p@h/old?a=1", "chat", "mongodb+srv://u:p@h/chat?a=1"),
    ],
)
def test_a_connection_string_is_pointed_at_the_configured_database(uri: str, name: str, expected: str) -> None:
    assert with_database(uri, name) == expected


def test_the_database_of_the_connection_string_is_the_default_name() -> None:
    uri = "mongodb://h/shop?a=1"

    assert Config.from_env({"MONGODB_URI": uri, "JWT_SECRET": "x" * 32}).mongodb_db == "shop"
    assert Config.from_env({"MONGODB_URI": uri, "MONGODB_DB": "chat", "JWT_SECRET": "x" * 32}).mongodb_db == "chat"
