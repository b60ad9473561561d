"""The documentation agrees with the code: variables and their defaults, routes, links and names of files."""

from __future__ import annotations

import importlib
import importlib.util
import io
import pkgutil
import re
from pathlib import Path

import pytest
from dotenv import dotenv_values
from flask import Blueprint, Flask

from chatsupport import blueprints, factory, features
from chatsupport.config import Config, ConfigError, model, parsers
from chatsupport.config.reader import Reader
from tests import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
ENV_EXAMPLE = (ROOT / ".env.example").read_text("utf-8")

NOT_IN_CONFIG = {"MONGOD_BINARY"}
"""Read by the code that starts the embedded MongoDB."""
FALLBACKS = {"NODE_ENV", "FRONTEND_URL"}
"""Read if another variable is not set. .env.example only mentions them."""
FOR_TESTS = {"ASYNC_MODE"}
"""Not shown in .env.example."""
FIELDS = {"API_KEY": "api_keys"}
"""Variables whose field in Config has another name."""

Variables = dict[str, str]


def rows(page: str) -> Variables:
    """Return the variables in a page's tables, with the text of the column Default."""
    text = (ROOT / page).read_text("utf-8")
    return dict(re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \| ([^|]*?) ?\|", text, re.MULTILINE))


def given(default: str) -> str | None:
    """Return the value in the column Default, or None if it is empty or only a description."""
    match = re.fullmatch(r"`([^`]*)`", default.strip())
    return match[1] if match else None


def configuration(**environ: str) -> Config:
    return factory.read_config({"JWT_SECRET": "test", **environ})


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Every variable that is read, except those by which it knows a platform."""
    seen: set[str] = set()

    class Recording(Reader):
        def has(self, *names: str) -> bool:
            seen.update(names)
            return super().has(*names)

        def first_set(self, *names: str) -> str:
            seen.update(names)
            return super().first_set(*names)

        def read(self, name, parse, default):  # type: ignore[no-untyped-def]
            seen.add(name)
            return super().read(name, parse, default)

        def require(self, name, parse, default, where):  # type: ignore[no-untyped-def]
            seen.add(name)
            return super().require(name, parse, default, where)

    monkeypatch.setattr(model, "Reader", Recording)
    configuration()
    with pytest.raises(ConfigError):
        factory.read_config({"APP_ENV": "production"})
    return seen.difference(model._PAAS_VARIABLES)


def test_the_table_has_every_variable_and_no_other(variables: set[str]) -> None:
    assert set(rows("docs/configuration.md")) == variables | NOT_IN_CONFIG


def test_env_example_has_every_variable_and_no_other(variables: set[str]) -> None:
    assigned = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", ENV_EXAMPLE, re.MULTILINE))

    assert assigned == (variables | NOT_IN_CONFIG) - FALLBACKS - FOR_TESTS
    assert all(re.search(rf"\b{name}\b", ENV_EXAMPLE) for name in FALLBACKS)


def test_the_readme_names_variables_and_defaults_of_the_table() -> None:
    table, readme = rows("docs/configuration.md"), rows("README.md")

    assert readme
    assert readme.keys() <= table.keys()
    differing = {name for name, default in readme.items() if given(default) != given(table[name])}
    assert not differing


@pytest.mark.parametrize(
    ("name", "default"), [(name, given(default)) for name, default in rows("docs/configuration.md").items()]
)
def test_documented_defaults_are_those_of_the_code(name: str, default: str | None) -> None:
    if default is not None:
        assert configuration(**{name: default}) == configuration()
    elif name not in FALLBACKS | NOT_IN_CONFIG | {"JWT_SECRET"}:
        config = configuration()
        value = (
            config.of_features[name] if name in config.of_features else getattr(config, FIELDS.get(name, name.lower()))
        )
        assert value in (None, (), "")


def test_env_example_shows_the_defaults() -> None:
    uncommented = re.sub(r"^#(?=[A-Z][A-Z0-9_]+=)", "", ENV_EXAMPLE, flags=re.MULTILINE)
    examples = {"JWT_SECRET", "MONGODB_URI"}
    values = dotenv_values(stream=io.StringIO(uncommented))
    shown = {name: text for name, text in values.items() if text and name not in examples}

    assert shown
    assert configuration(**shown) == configuration()
    assert values["JWT_SECRET"] in parsers.PUBLISHED_SECRETS
    assert values["MONGODB_URI"]
    assert configuration(MONGODB_URI=values["MONGODB_URI"]).mongodb_uri


def test_env_example_configures_nothing_as_it_is() -> None:
    assert not dotenv_values(stream=io.StringIO(ENV_EXAMPLE))


def test_every_route_is_documented_and_no_other() -> None:
    app = Flask(__name__, static_folder=None)
    modules = [f"chatsupport.blueprints.{module.name}" for module in pkgutil.iter_modules(blueprints.__path__)]
    modules += [f"chatsupport.features.{feature.name}.routes" for feature in pkgutil.iter_modules(features.__path__)]
    for name in modules:
        if importlib.util.find_spec(name) is None:
            continue
        blueprint = getattr(importlib.import_module(name), "blueprint", None)
        if isinstance(blueprint, Blueprint):
            app.register_blueprint(blueprint)
    routes = {
        f"{method} " + re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", r":\1", str(rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    files_of_a_page = {route for route in routes if route.startswith("GET /api/docs/")}
    text = (ROOT / "docs/rest.md").read_text("utf-8")

    assert set(re.findall(r"^### ([A-Z]+ /\S*)$", text, re.MULTILINE)) == routes - files_of_a_page


def test_the_alerts_are_those_of_the_file() -> None:
    alerts = re.findall(r"- alert: (\w+)", (ROOT / "deploy/alerts.yml").read_text("utf-8"))
    table = re.findall(r"^\| `(ChatSupport\w+)` \|", (ROOT / "docs/observability.md").read_text("utf-8"), re.MULTILINE)

    assert table == alerts


@pytest.mark.parametrize("name", ["scaling", "operations", "observability"])
def test_the_memory_of_a_socket_is_the_measured_one(name: str) -> None:
    measured = re.search(r"ours: \*\*([\d.]+) KB\*\* a socket", (ROOT / "docs/performance.md").read_text("utf-8"))
    text = (ROOT / f"docs/{name}.md").read_text("utf-8")

    assert measured
    assert set(re.findall(r"([\d.]+) KB (?:each|a socket|for each socket)", text)) == {measured[1]}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_has_a_target(page: Path) -> None:
    text = without_code(page)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            broken.append(target)

    assert not broken


def test_every_python_file_that_a_page_names_exists() -> None:
    folders = ("chatsupport", "tests", "bench", "deploy", "examples")
    files = [*ROOT.glob("*.py"), *(file for folder in folders for file in (ROOT / folder).rglob("*.py"))]
    paths = [f"/{file.relative_to(ROOT)}" for file in files]
    named = {name for page in PAGES for name in re.findall(r"`([\w/]+\.py)`", page.read_text("utf-8"))}

    assert named
    assert not [name for name in sorted(named) if not any(path.endswith(f"/{name}") for path in paths)]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#{1,6} (.+)$", without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def without_code(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
