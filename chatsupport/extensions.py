"""The extension objects. `factory.create_app` binds them to an application and its configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask_cors import CORS
from flask_jwt_extended import JWTManager
from flask_socketio import SocketIO

if TYPE_CHECKING:
    from chatsupport.config import Config

socketio = SocketIO()
jwt = JWTManager()
cors = CORS()


class Settings:
    """Give services the configuration of the running application, without a Flask context on the hot path."""

    def __init__(self) -> None:
        self._config: Config | None = None

    def bind(self, config: Config) -> None:
        """Use this configuration from now on."""
        self._config = config

    @property
    def config(self) -> Config:
        """The bound configuration. Raises `RuntimeError` before `create_app`."""
        if self._config is None:
            raise RuntimeError("No application yet: create_app() binds the settings.")
        return self._config


settings = Settings()
