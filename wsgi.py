"""The WSGI entry point: `gunicorn -c gunicorn.conf.py wsgi:app`, `flask --app wsgi …` or `python wsgi.py`."""

import os
import sys
import warnings

if __name__ == "__main__":
    # Before anything is patched or imported: gunicorn's master is the one to do both.
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"])

warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")

import eventlet  # noqa: E402

eventlet.monkey_patch()

from dataclasses import replace  # noqa: E402

from chatsupport.config import Config, ConfigError  # noqa: E402
from chatsupport.database.embedded import EmbeddedMongoError, ensure_uri  # noqa: E402
from chatsupport.factory import create_app  # noqa: E402

# After a 1 gunicorn starts the worker again, for ever; 4 tells it that the application cannot be loaded.
_FAILURE = 4 if os.environ.get("SERVER_SOFTWARE", "").startswith("gunicorn/") else 1

try:
    config = Config.from_env()
    uri, _ = ensure_uri(config)
except (ConfigError, EmbeddedMongoError) as error:
    print(error, file=sys.stderr)
    sys.exit(_FAILURE)

app = create_app(replace(config, mongodb_uri=uri))
