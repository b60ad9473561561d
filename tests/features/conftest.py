"""Features are tested as the core is: with the fixtures of the integration tests."""

from tests.integration.conftest import *  # noqa: F403
