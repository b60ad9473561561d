"""Turn deploy/nginx.conf into a complete configuration for a private nginx."""

from __future__ import annotations

import getpass
import os
import re
import resource
from collections.abc import Iterable
from pathlib import Path

_SITE = Path(__file__).parent / "nginx.conf"
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def nginx_configuration(directory: Path, listen: str, ports: Iterable[int]) -> Path:
    """Write the configuration into `directory`, for servers on these ports of this machine; return its path."""
    servers = "\n".join(f"    server 127.0.0.1:{port} max_fails=0;" for port in ports)
    site = _SITE.read_text(encoding="utf-8")
    site = re.sub(r"(?:^ +server 127\.0\.0\.1:.*\n)+", servers + "\n", site, count=1, flags=re.MULTILINE)
    site = site.replace("    listen 80;\n    listen [::]:80;\n", f"    listen {listen};\n", 1)
    folders = "\n".join(f"{name}_temp_path {directory}/{name};" for name in _TEMPORARY)
    user = f"user {getpass.getuser()};" if os.getuid() == 0 else ""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    main = (
        f"daemon off; worker_processes auto; worker_rlimit_nofile {files}; {user}\n"
        f"pid {directory}/nginx.pid; error_log stderr crit;\n"
        f"events {{ worker_connections {files - 64}; }}\nhttp {{\naccess_log off;\n{folders}\n{site}\n}}\n"
    )
    path = directory / "nginx.conf"
    path.write_text(main, encoding="utf-8")
    return path
