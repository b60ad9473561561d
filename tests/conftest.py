"""Fixtures of all tests: a real MongoDB for each worker, and a configuration for tests."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chatsupport.config import Config
from chatsupport.database.embedded import EmbeddedMongo

pytest_plugins = ["tests.leaving_out"]

API_KEY = "test-api-key-0123456789"
JWT_SECRET = "a-secret-for-tests-only-0123456789abcdef"

MakeConfig = Callable[..., Config]

# The tests start some hundred servers and commands, and each would have to compile all modules first.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Some 4 000 tests and what they import are many objects, and hardly any is garbage.
gc.set_threshold(20_000, 20, 50)

MEMORY = Path("/dev/shm")
NEEDED_BYTES = 8 * 2**30
"""Somewhat more than the files of all tests take at a time."""


def has_room(memory: Path) -> bool:
    """Tell whether the tests' files fit into this folder in memory, with as much left, and programs there can run."""
    try:
        space = os.statvfs(memory)
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return False
    (available,) = (int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    fits = space.f_bavail * space.f_frsize > NEEDED_BYTES and available > 2 * NEEDED_BYTES
    return fits and not space.f_flag & os.ST_NOEXEC and os.access(memory, os.W_OK)


# A disk keeps MongoDB waiting at each acknowledged write. What a kill leaves is the same in memory.
if not os.environ.keys() & {"TMPDIR", "PYTEST_DEBUG_TEMPROOT"} and has_room(MEMORY):
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(MEMORY)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell ignores SIGINT in background jobs, and the servers that tests start and interrupt would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


ORDER = (("chaos",), ("browser", "e2e"), ("features",), ("integration",), ("unit",))
"""The folders of the tests, those with the longest files first, so that no process of pytest-xdist ends long after the
others (`--no-loadscope-reorder` in the Makefile keeps the order). Browsers need much of the machine: their files take
turns with those of `e2e`, whose servers mostly wait.
"""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the slow tests begin first where several processes share them; else they are last, as people want them."""
    files: dict[str, dict[Path, int]] = {}
    for item in items:
        of_folder = files.setdefault(item.path.relative_to(Path(__file__).parent).parts[0], {})
        of_folder.setdefault(item.path, len(of_folder))
    direction = 1 if hasattr(config, "workerinput") else -1
    places = {
        path: (direction * group, place / len(files[folder]))
        for group, folders in enumerate(ORDER)
        for folder in folders
        for path, place in files.get(folder, {}).items()
    }
    items.sort(key=lambda item: places[item.path])


def pytest_collection_finish() -> None:
    """Look for garbage only among what the tests make: the tests themselves stay."""
    gc.freeze()


@pytest.fixture(scope="session")
def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MongoDB: the one of MONGODB_URI, or a private one. Without any, the tests fail."""
    given = os.environ.get("MONGODB_URI")
    if given:
        yield given
        return
    directory = tmp_path_factory.mktemp("mongodb")
    server = EmbeddedMongo(directory)
    yield server.start()
    server.stop()
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def mongodb_db() -> str:
    """The database of this worker."""
    return f"chat-support-test-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"


@pytest.fixture
def make_config(mongodb_uri: str, mongodb_db: str, tmp_path: Path) -> MakeConfig:
    """Make a configuration for an application in this process. Keyword arguments override it."""

    def make(**overrides: object) -> Config:
        values: dict[str, object] = {
            "app_env": "testing",
            "jwt_secret": JWT_SECRET,
            "api_keys": (API_KEY,),
            "mongodb_uri": mongodb_uri,
            "mongodb_db": mongodb_db,
            "data_dir": tmp_path / "data",
            "log_dir": tmp_path / "logs",
            "log_to_files": False,
            "log_level": "WARNING",
            "rate_limits": False,
            # The test machine may be slow, and some tests check every warning.
            "slow_ms": 0,
            "async_mode": "threading",
            "timed_work": False,
            **overrides,
        }
        return Config(**values)  # type: ignore[arg-type]

    return make
