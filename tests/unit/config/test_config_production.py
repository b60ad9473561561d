"""Configuration: secrets, production, `.env`, and what depends on where the server runs."""

from __future__ import annotations

import dataclasses
import os
import re
import secrets
import stat
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import limits
import pytest
from pymongo.errors import ConfigurationError

from chatsupport.config import Config, ConfigError, jwt_secret, model, parsers
from chatsupport.database import connection
from tests import ROOT
from tests.unit.config.test_config import PRODUCTION, STRONG, problems, read

WEAK = [
    *sorted(parsers.PUBLISHED_SECRETS),
    "Your-Super-Secret-JWT-Key-Change-This-In-Production",
    *(f"{secret}-2026" for secret in sorted(parsers.PUBLISHED_SECRETS)),
    "x" * 40,
    "ab" * 20,
    "passwordpasswordpasswordpasswordpass",
    "0123401234012340123401234012340123401234",
]


@pytest.mark.parametrize("secret", ["", "short", STRONG[:-1], *WEAK])
@pytest.mark.parametrize("name", ["JWT_SECRET", "JWT_SECRET_PREVIOUS", "IDENTITY_SECRET"])
def test_production_refuses_a_weak_secret(name: str, secret: str) -> None:
    if name != "JWT_SECRET" and not secret:
        return  # It is optional.
    (problem,) = problems({**PRODUCTION, name: secret})

    assert problem.startswith(f"{name} ")
    assert "at least 32 bytes" in problem
    assert not secret or secret not in problem


@pytest.mark.parametrize("key", ["x" * 15, *WEAK])
def test_production_refuses_a_weak_key(key: str) -> None:
    (problem,) = problems({**PRODUCTION, "API_KEY": key})

    assert problem.startswith("API_KEY must be ")
    assert "at least 16 printable" in problem
    assert key not in problem


def test_random_secrets_are_accepted() -> None:
    for _ in range(300):
        for text in (secrets.token_hex(16), secrets.token_hex(32), secrets.token_urlsafe(32), str(uuid.uuid4())):
            assert not parsers.is_guessable(text), text


def test_development_accepts_any_secret() -> None:
    config = read(JWT_SECRET="x", IDENTITY_SECRET="x", API_KEY="x")

    assert (config.jwt_secret, config.identity_secret, config.api_keys) == ("x", "x", ("x",))


def test_the_secret_of_the_example_is_refused() -> None:
    shown = re.findall(r"^#?[A-Z_]*(?:SECRET|KEY)=(.+)$", (ROOT / ".env.example").read_text(), re.MULTILINE)

    assert shown
    assert set(shown) <= parsers.PUBLISHED_SECRETS


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

    assert "* is not allowed in production" in problem


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
    # At first no process sees the file, so each makes one.
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

    assert problem.startswith("DATA_DIR must be a directory that the server can write to")


def test_the_environment_wins_over_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("PORT", "MONGODB_DB"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".env").write_text("PORT=6001\nMONGODB_DB=from-file\nJWT_SECRET=x\n")
    assert Config.from_env().port == 6001

    monkeypatch.setenv("PORT", "6002")
    monkeypatch.setenv("MONGODB_DB", '""')
    assert Config.from_env().mongodb_db == "from-file"
    monkeypatch.setenv("MONGODB_DB", "")

    assert (Config.from_env().port, Config.from_env().mongodb_db) == (6002, "from-file")
    assert os.environ["MONGODB_DB"] == ""


def test_an_env_file_that_cannot_be_read_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(b"PORT=\xff\xfe")

    with pytest.raises(ConfigError, match=r"^\.env cannot be read"):
        Config.from_env()


def test_reading_the_configuration_imports_nothing_that_must_be_patched_first() -> None:
    modules = "chatsupport.config, chatsupport.database.embedded, chatsupport.observability.logs"
    script = f"import sys, {modules}; print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)

    assert not {"pymongo", "flask", "eventlet", "mongoengine", "redis"} & set(loaded.stdout.split())


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("mongodb://h", "chat-support"),
        ("mongodb://h/", "chat-support"),
        ("mongodb://h/shop?a=1", "shop"),
        ("mongodb://u:p@h1:1,h2:2/shop", "shop"),
        ("mongodb+srv://u:p@h/shop?a=/x", "shop"),
        ("mongodb://h/sh%6Fp", "shop"),
        ("mongodb://h/shop.messages", "shop"),
        ("mongodb://%2Ftmp%2Fmongodb.sock/shop", "shop"),
        # MongoDB stores only users there.
        ("mongodb://u:p@h/admin", "chat-support"),
        ("mongodb://u:p@h/admin?authSource=admin", "chat-support"),
        ("mongodb://h/?authSource=shop", "chat-support"),
    ],
)
def test_the_connection_string_names_the_database(uri: str, name: str) -> None:
    environment = {"MONGODB_URI": uri, "JWT_SECRET": "x" * 32}

    assert Config.from_env(environment).mongodb_db == name
    assert Config.from_env({**environment, "MONGODB_DB": "chat"}).mongodb_db == "chat"


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://h:999999/",
        "mongodb://u:p@ss@h/",
        "mongodb://u:pa/ss@h/",
        "mongodb://u:pa%ss@h/",
        "mongodb://u:pa?ss@h/",
        "mongodb://[::1/",
        "mongodb://u:ss@h:pass/",
        "mongodb://u@h/",
        "mongodb://h/?foo=bar",
        "mongodb://h/?tls=maybe",
        "mongodb://h/?tlsCAFile=/nowhere/ca.pem",
        "mongodb://h/a b",
    ],
)
def test_a_connection_string_that_the_driver_refuses_gives_an_error_of_one_line(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection._connected, "to", ("mongodb://another", "database"))
    Config.from_env({"MONGODB_URI": uri, "JWT_SECRET": "x" * 32})  # Without the driver, which is not imported yet.

    with pytest.raises(ConfigError, match=r"^MONGODB_URI ") as refused:
        connection.connect(uri, "chat-support-test")

    (line,) = refused.value.problems
    assert "\n" not in line
    assert "ss@h" not in line
    assert "to" in connection._connected, "Background work may be using the connection before."


@pytest.mark.parametrize(
    ("said", "is_away"),
    [
        (
            "The resolution lifetime expired after 3.104 seconds: no answer",
            True,
        ),
        (
            "All nameservers failed to answer the query _mongodb._tcp.h. IN SRV: SERVFAIL",
            True,
        ),
        ("The DNS query name does not exist: _mongodb._tcp.h.", False),
    ],
)
def test_a_name_server_that_does_not_answer_counts_as_an_unavailable_database(said: str, is_away: bool) -> None:
    error = ConfigurationError(said)

    assert connection.is_unavailable(error) is is_away
    assert (connection.refusal(error, "chat") is None) is is_away
