"""The fixtures of the migration's tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pymongo
import pymongo.database
import pytest
from click.testing import Result

from chatsupport.factory import create_app
from chatsupport.services.server import totals
from tests.conftest import MakeConfig
from tests.integration.legacy import Database, Document, Legacy


@pytest.fixture
def database(make_config: MakeConfig) -> Iterator[Database]:
    """A database with nothing in it, not even an index. Later tests find it empty too."""
    config = make_config()
    client: pymongo.MongoClient[Document] = pymongo.MongoClient(config.mongodb_uri, tz_aware=True)
    name = f"{config.mongodb_db}-migration"
    client.drop_database(name)
    yield client[name]
    client.drop_database(name)
    client.close()


@pytest.fixture
def legacy(database: Database) -> Legacy:
    return Legacy(database)


@pytest.fixture
def command(make_config: MakeConfig, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Run `flask …` on the database."""
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "true")
    app = create_app(make_config(mongodb_db=database.name))
    monkeypatch.delenv("FLASK_RUN_FROM_CLI")

    def run(*arguments: str) -> Result:
        return app.test_cli_runner().invoke(args=arguments)

    yield run
    totals.reset()


def succeeded(result: Result) -> list[str]:
    """Check that a command ended well; return the lines it printed."""
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output.splitlines()
