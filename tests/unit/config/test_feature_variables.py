"""The variables of features are read as those of the core are."""

from __future__ import annotations

import pytest

from chatsupport.config import Config, ConfigError, Variable, parsers
from tests.unit.config.test_config import PRODUCTION, read

DAYS = Variable("SOME_DAYS", parsers.integer(1, 9), 3)
TOKEN: Variable[str | None] = Variable("SOME_TOKEN", str, None, in_production=parsers.api_key(min_length=16))


def test_a_variable_has_its_value_or_its_default() -> None:
    config = Config.from_env({"JWT_SECRET": "test", "SOME_DAYS": "5"}, [DAYS, TOKEN])

    assert (config.value(DAYS), config.value(TOKEN)) == (5, None)
    assert read().value(DAYS) == 3


def test_production_may_be_stricter() -> None:
    assert Config.from_env({"JWT_SECRET": "test", "SOME_TOKEN": "x"}, [TOKEN]).value(TOKEN) == "x"
    with pytest.raises(ConfigError, match=r"^SOME_TOKEN must be .* at least 16 "):
        Config.from_env({**PRODUCTION, "SOME_TOKEN": "x"}, [TOKEN])


def test_a_bad_one_is_reported_with_the_others() -> None:
    with pytest.raises(ConfigError) as refused:
        Config.from_env({"JWT_SECRET": "test", "PORT": "x", "SOME_DAYS": "10"}, [DAYS])

    assert refused.value.problems == [
        "PORT must be a port number from 1 to 65535",
        "SOME_DAYS must be a whole number from 1 to 9",
    ]


def test_a_slip_in_its_name_is_found() -> None:
    assert Config.misspelled({"SOME_DAY": "1"}, [DAYS]) == {"SOME_DAY": "SOME_DAYS"}


def test_its_value_is_not_in_the_repr() -> None:
    assert "hunter" not in repr(Config.from_env({"JWT_SECRET": "test", "SOME_TOKEN": "hunter"}, [TOKEN]))
