"""Tests have `requests` for clients that poll. A server does not have it, and it takes long to import."""

raise ImportError("A server does not have this.")
