"""An application in this process, on a real database that each test finds empty."""

from tests.applications import apis, app, close_sockets, make_app, operator, sockets

__all__ = ["apis", "app", "close_sockets", "make_app", "operator", "sockets"]
