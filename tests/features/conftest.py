"""Features are tested like the core, with the fixtures of the integration tests."""

from tests.integration.conftest import *  # noqa: F403
