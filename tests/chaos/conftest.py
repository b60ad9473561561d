"""The fixtures of the JavaScript clients, from the end-to-end tests."""

from tests.e2e.conftest import followers, node

__all__ = ["followers", "node"]
