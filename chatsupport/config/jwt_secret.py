"""The JWT secret of an installation that configured none: random, kept in DATA_DIR."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

MIN_BYTES = 32


def stored_jwt_secret(data_dir: Path) -> str:
    """Return the secret in DATA_DIR/jwt-secret, made on first use; raise OSError or ValueError if it can't be used."""
    path = data_dir / "jwt-secret"
    if not path.exists():
        _create(path)
    text = path.read_text("utf-8").strip()
    if len(text.encode()) < MIN_BYTES:
        raise ValueError(f"{path} is damaged; delete it, and the server makes a new one")
    return text


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # A link appears complete or not at all, and only the first of several racing processes gets it.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(draft)
