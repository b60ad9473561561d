"""Dockerfile and compose.yaml without an engine: their schema, and everything they run, with their settings."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
import yaml

from chatsupport.config import Config
from chatsupport.database.embedded import find_mongod
from deploy.programs import Program, wait_for_health, wait_for_port
from tests import ROOT
from tests.e2e.conftest import Connect
from tests.e2e.debian import DebianNginx, commands
from tests.e2e.rest import Rest
from tests.e2e.server import free_port, wait_until
from tests.e2e.valkey import binary

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SERVICES = COMPOSE["services"]
GUIDE = commands("docker compose up")
VENV = Path(sys.executable).parent


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions with their arguments."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.M).replace("\\\n", " ")
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in text.splitlines() if line)]


def is_sent_to_the_engine(path: str) -> bool:
    """Tell whether .dockerignore lets a file or folder through. The last matching line decides."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text("utf-8").split():
        if fnmatch.fnmatch(path, line.removeprefix("!")):
            sent = line.startswith("!")
    return sent


class Image:
    """A folder with the contents of the image's folder, and the image's environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment: dict[str, str] = {"PATH": f"{VENV}:/usr/bin:/bin"}
        self.command: list[str] = []
        self.health_check: list[str] = []
        stage: list[tuple[str, str]] = []
        for name, rest in instructions():
            stage = [] if name == "FROM" else [*stage, (name, rest)]
        for name, rest in stage:
            if name == "COPY" and not rest.startswith("--from"):
                *sources, target = rest.split()
                for source in sources:
                    self._copy(source, folder / target)
            elif name == "ENV":
                given = dict(pair.split("=", 1) for pair in shlex.split(rest))
                self.environment |= {key: value for key, value in given.items() if key != "PATH"}
            elif name == "CMD":
                self.command = json.loads(rest)
            elif name == "HEALTHCHECK":
                self.health_check = json.loads(rest.partition("CMD ")[2])

    def _copy(self, source: str, target: Path) -> None:
        assert is_sent_to_the_engine(source), source
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.mkdir(exist_ok=True)
            shutil.copy(ROOT / source, target)

    def run(self, command: str, variables: dict[str, str], text: str = "") -> str:
        """Run a command as `docker compose exec` does, and return its output."""
        done = subprocess.run(
            shlex.split(command),
            cwd=self.folder,
            env={**self.environment, **variables},
            input=text,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def image(tmp_path: Path) -> Image:
    folder = tmp_path / "image"
    folder.mkdir()
    return Image(folder)


@pytest.fixture
def run() -> Iterator[Callable[..., Program]]:
    """Start programs. In the end they are stopped, the last one first."""
    programs: list[Program] = []

    def start(*arguments: Any) -> Program:
        programs.append(Program(*arguments))
        return programs[-1]

    yield start
    for program in reversed(programs):
        program.ask_to_end()
        program.wait()


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("compose-spec", "compose.yaml"),
        ("dependabot", ".github/dependabot.yml"),
        ("github-workflows", ".github/workflows/ci.yml"),
    ],
)
def test_compose_yaml_matches_the_schema(schema: str, file: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", ROOT / file]
    subprocess.run(command, check=True)


def test_every_path_exists() -> None:
    for name, rest in instructions():
        if name == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists()
                assert is_sent_to_the_engine(source)
    assert not is_sent_to_the_engine(".env")
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / source).exists()
        for name, wanted in service.get("depends_on", {}).items():
            has_check = "healthcheck" in SERVICES[name] or (
                "build" in SERVICES[name] and "HEALTHCHECK" in dict(instructions())
            )
            assert wanted["condition"] == "service_started" or has_check
    assert set(re.findall(r"compose exec (\w+)", GUIDE)) <= SERVICES.keys()


def variables(tmp_path: Path) -> dict[str, str]:
    """Return the server's environment from the guide's .env and compose.yaml."""
    block = GUIDE[: GUIDE.index("docker compose")]
    subprocess.run(["sh", "-euc", block], cwd=tmp_path, check=True)
    from_file = dict(line.split("=", 1) for line in (tmp_path / ".env").read_text("utf-8").splitlines())
    given = {name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", value) for name, value in SERVICES["chat"]["environment"].items()}
    return {**from_file, **given}


@pytest.mark.debian_nginx
def test_all_services_work_together(
    image: Image, run: Callable[..., Program], tmp_path: Path, connect: Connect
) -> None:
    given = variables(tmp_path)
    # The .env of a plain machine has a HOST that nginx could not reach here.
    config = Config.from_env({**image.environment, "HOST": "127.0.0.1", **given})
    assert config.is_production
    assert (config.host, config.port, config.log_to_files, config.trusted_proxies) == ("0.0.0.0", 5000, False, 1)

    # MongoDB and its replica set, as in the command and the health check.
    mongo_port, valkey_port, port = free_port(), free_port(), free_port()
    (tmp_path / "db").mkdir()
    binary_path, *options = SERVICES["mongo"]["command"]
    assert binary_path == "mongod"
    options = ["--bind_ip=127.0.0.1" if option == "--bind_ip_all" else option for option in options]
    files = ["--port", str(mongo_port), "--dbpath", str(tmp_path / "db"), "--logpath", str(tmp_path / "mongod.log")]
    mongod = run("mongo", [str(find_mongod()), *options, *files])
    assert wait_for_port(mongo_port, mongod)
    check = SERVICES["mongo"]["healthcheck"]["test"][-1]
    replica_set = yaml.safe_load(re.search(r"rs\.initiate\((.*)\) }", check)[1])  # type: ignore[index]
    assert replica_set["members"][0]["host"] in given["MONGODB_URI"]
    replica_set["members"][0]["host"] = f"127.0.0.1:{mongo_port}"
    with pymongo.MongoClient[dict[str, Any]]("127.0.0.1", mongo_port, directConnection=True) as client:
        client.admin.command("replSetInitiate", replica_set)
        wait_until(lambda: client.admin.command("hello")["isWritablePrimary"])

    # Valkey.
    name, *options = SERVICES["valkey"]["command"]
    assert name == "valkey-server"
    where = ["--port", str(valkey_port), "--bind", "127.0.0.1", "--dir", str(tmp_path)]
    assert wait_for_port(valkey_port, run("valkey", [str(binary()), *options, *where]))

    # The server, from the image's folder.
    here = {
        **given,
        "MONGODB_URI": given["MONGODB_URI"].replace("mongo:27017", f"127.0.0.1:{mongo_port}"),
        "REDIS_URL": given["REDIS_URL"].replace("valkey:6379", f"127.0.0.1:{valkey_port}"),
        "HOST": "127.0.0.1",
        "PORT": str(port),
    }
    assert given["MONGODB_URI"] != here["MONGODB_URI"]
    assert given["REDIS_URL"] != here["REDIS_URL"]
    program = shutil.which(image.command[0], path=image.environment["PATH"])
    server = run("chat", [program, *image.command[1:]], {**image.environment, **here}, image.folder)
    assert wait_for_health(port, server)
    assert not (image.folder / "logs").exists()
    image.run(shlex.join(image.health_check), here)
    for line in re.findall(r"^docker compose exec chat (.*)", GUIDE, re.M):
        stdin = " --password-stdin" if "agents add" in line else ""
        image.run(line + stdin, here, "correct horse battery\n")

    # nginx, with the site that its command makes of ours.
    nginx = DebianNginx(tmp_path / "debian")
    (nginx.folder / "sites-enabled/default").unlink()
    shell, option, script = SERVICES["nginx"]["command"]
    (mount,) = SERVICES["nginx"]["volumes"]
    source, target, _ = mount.split(":")
    script = script.replace(target, str(ROOT / source)).replace("/etc/nginx", str(nginx.folder))
    subprocess.run([shell, option, script.partition("&& exec")[0]], check=True)
    site = nginx.folder / "conf.d/default.conf"
    assert "server chat:5000 max_fails=0;" in site.read_text("utf-8")
    site.write_text(site.read_text("utf-8").replace("chat:5000", "127.0.0.1:5000"), "utf-8")
    try:
        nginx.start(port)
        have_a_chat(f"http://127.0.0.1:{nginx.port}", given["API_KEY"], connect)
    finally:
        nginx.stop()


def have_a_chat(url: str, api_key: str, connect: Connect) -> None:
    """Let a visitor and the guide's agent write to each other."""
    operator = Rest(url, {"X-API-Key": api_key})
    (agent,) = operator.get("/api/agents").data["agents"]
    session_id = operator.start("visitor")
    user = connect("python", url, {"token": operator.token("visitor")})
    user.join(session_id)
    grace = connect("python", url, {"token": operator.token(agent["id"], "agent")}, transports=["websocket"])
    grace.join(session_id)
    user.emit("send_message", {"sessionId": session_id, "message": "Hello"})
    assert grace.wait_for("new_message")["message"] == "Hello"
