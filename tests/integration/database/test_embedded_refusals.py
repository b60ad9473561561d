"""The embedded MongoDB when it cannot start: one line that says why and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatsupport.database import embedded, mongod_files
from chatsupport.database.embedded import EmbeddedMongo, find_mongod
from tests.integration.database.test_embedded import refusal


def fake_mongod(folder: Path, script: str) -> Path:
    path = folder / "fake-mongod"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_without_a_mongod_one_line_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONGOD_BINARY", raising=False)
    monkeypatch.setattr(mongod_files, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_mongod() is None

    problem = refusal(EmbeddedMongo(tmp_path))

    for advice in ("MONGODB_URI", "requirements-embedded.txt", "mongod on PATH"):
        assert advice in problem


def test_mongod_is_found_in_the_package_before_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MONGOD_BINARY", raising=False)
    on_path = fake_mongod(tmp_path, "exit 1").rename(tmp_path / "mongod")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_mongod() != on_path

    monkeypatch.setattr(mongod_files, "find_spec", lambda name: None)
    assert find_mongod() == on_path

    other = fake_mongod(tmp_path, "exit 1")
    monkeypatch.setenv("MONGOD_BINARY", str(other))
    assert find_mongod() == other
    monkeypatch.setenv("MONGOD_BINARY", f'"{other}"')
    assert find_mongod() == other


@pytest.mark.parametrize("name", ["missing", ""])
def test_a_bad_mongod_binary_gives_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("MONGOD_BINARY", str(tmp_path / name))

    assert refusal(EmbeddedMongo(tmp_path)).startswith("MONGOD_BINARY must be")


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = "mongod: error while loading shared libraries: libcurl.so.4: cannot open shared object file"
    monkeypatch.setenv("MONGOD_BINARY", str(fake_mongod(tmp_path, f"echo '{message}' >&2; exit 127")))

    problem = refusal(EmbeddedMongo(tmp_path))

    assert "libcurl.so.4" in problem
    assert "apt-get install libcurl4" in problem


def test_damaged_files_are_recognized_from_mongods_log(tmp_path: Path) -> None:
    (tmp_path / "mongodb/files").mkdir(parents=True)
    (tmp_path / "mongodb/files/storage.bson").write_text("x")

    problem = refusal(EmbeddedMongo(tmp_path))

    assert "Unable to read the storage engine metadata file" in problem
    assert "mongod.log" in problem


def test_a_mongod_that_never_accepts_connections_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_START_TIMEOUT_S", 0.3)
    monkeypatch.setenv("MONGOD_BINARY", str(fake_mongod(tmp_path, "exec sleep 60")))

    assert "did not accept connections" in refusal(EmbeddedMongo(tmp_path))


def test_an_unwritable_data_directory_gives_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert refusal(EmbeddedMongo(tmp_path / "file")).startswith(
        "DATA_DIR must be a directory that the server can write to"
    )
