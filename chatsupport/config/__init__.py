"""The one configuration object, read from the environment and `.env`; see .env.example for every variable."""

from chatsupport.config.feature_variables import Variable
from chatsupport.config.model import Config
from chatsupport.config.reader import ConfigError

__all__ = ["Config", "ConfigError", "Variable"]
