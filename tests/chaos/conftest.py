"""The fixture of the JavaScript clients, from the end-to-end tests."""

from tests.e2e.conftest import node

__all__ = ["node"]
