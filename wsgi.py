"""The WSGI entry point: `gunicorn -c gunicorn.conf.py wsgi:app`, `flask --app wsgi …` or `python wsgi.py`."""

import gc
import os
import sys
import warnings

if __name__ == "__main__":
    # Replace this process before anything is patched or imported: gunicorn does both.
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"])

gc.disable()  # What is imported stays, and looking for garbage among it takes a seventh of the start.

warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")

# The flask command has already imported too much to be patched, and its commands need no greenlets.
IS_COMMAND = "FLASK_RUN_FROM_CLI" in os.environ

if IS_COMMAND:
    import click

    os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")  # Its resolver takes long to import.
    context = click.get_current_context(silent=True)
    if context is not None and context.info_name == "run":
        print(
            "`flask run` cannot serve this application. Start the server with `make run`, or as README.md says.",
            file=sys.stderr,
        )
        sys.exit(1)
else:
    import eventlet

    eventlet.monkey_patch()

from dataclasses import replace  # noqa: E402

from chatsupport.config import ConfigError  # noqa: E402
from chatsupport.database.embedded import EmbeddedMongoError, ensure_uri  # noqa: E402
from chatsupport.errors import CannotServeError  # noqa: E402
from chatsupport.factory import create_app, read_config  # noqa: E402
from chatsupport.startup import APPLICATION_CANNOT_LOAD  # noqa: E402

_FAILURE = APPLICATION_CANNOT_LOAD if os.environ.get("SERVER_SOFTWARE", "").startswith("gunicorn/") else 1

try:
    config = read_config()
    uri, _ = ensure_uri(config)
    async_mode = "threading" if IS_COMMAND else config.async_mode
    app = create_app(replace(config, mongodb_uri=uri, async_mode=async_mode))
except (CannotServeError, ConfigError, EmbeddedMongoError) as error:
    print(error, file=sys.stderr)
    sys.exit(_FAILURE)

gc.freeze()  # Looking among that for garbage would stop everything for a tenth of a second.
# Nearly everything that a call makes is gone after it, so a search after each 700 new objects finds nothing.
gc.set_threshold(5_000, 20, 20)
gc.enable()
