"""What other people's pages load, without comments, white space and long local names: the same code in fewer bytes.

tdewolff-minify is a library in Go, which starts threads of its own. So it runs in a child process, once, and nothing of
it stays in the server.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from importlib.util import find_spec

logger = logging.getLogger(__name__)

PATIENCE_S = 60
# The library's buffer is as long as what it is given; what is squeezed must never be longer.
CHILD = """
import json, sys
import minify
task = json.loads(sys.stdin.buffer.read())
done = {path: minify.string(kind, text + 256 * chr(10)) for path, kind, text in task}
sys.stdout.buffer.write(json.dumps(done).encode())
"""


def squeezed(files: dict[str, tuple[str, bytes]]) -> dict[str, bytes]:
    """Return the bodies of (media type, body), squeezed; as they are where that cannot be done."""
    as_they_are = {path: body for path, (_, body) in files.items()}
    if not files or find_spec("minify") is None:
        return as_they_are
    task = json.dumps([[path, kind, body.decode()] for path, (kind, body) in files.items()])
    try:
        child = subprocess.run(
            [sys.executable, "-c", CHILD], input=task.encode(), capture_output=True, check=True, timeout=PATIENCE_S
        )
        return {path: text.encode() for path, text in json.loads(child.stdout).items()}
    except (OSError, ValueError, subprocess.SubprocessError):
        # Browsers understand it either way.
        logger.warning("The chat bubble's files could not be squeezed and are served as they are", exc_info=True)
        return as_they_are
