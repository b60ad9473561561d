"""nginx as Debian installs it, in a separate folder and on a free port, set up by the guide's own commands."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from pathlib import Path

from deploy.programs import Program, wait_for_port
from tests import ROOT
from tests.e2e.server import free_port

GUIDE = (ROOT / "docs/operations.md").read_text("utf-8")
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def commands(containing: str) -> str:
    """Return the one block of shell commands in the guide that contains this text."""
    (block,) = [block for block in re.findall(r"^```sh\n(.*?)^```", GUIDE, re.M | re.S) if containing in block]
    return block


def has_ipv6() -> bool:
    """Tell whether this machine is reachable by IPv6."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


class DebianNginx:
    """A copy of /etc/nginx, the default site included, that the guide's commands work on."""

    def __init__(self, directory: Path) -> None:
        self.folder = directory / "nginx"
        shutil.copytree("/etc/nginx", self.folder)
        self.port = free_port()
        self._program: Program | None = None
        folders = [f"{name}_temp_path {directory}/{name};\n" for name in TEMPORARY]
        (self.folder / "conf.d/temporary.conf").write_text("".join(folders))

    def set_up(self, block: str, host: str) -> None:
        """Run a block of the guide without its outside effects: systemd's nginx, and Let's Encrypt."""
        lines = [line for line in block.splitlines() if not line.startswith(("nginx -t", "certbot"))]
        script = f"set -eu\nCHAT_HOST={host}\n" + "\n".join(lines).replace("/etc/nginx", str(self.folder))
        subprocess.run(["sh", "-c", script], cwd=ROOT, check=True)

    def start(self, server_port: int) -> None:
        """Start it in front of a server. Only ports and the paths of files are changed."""
        for file in [self.folder / "nginx.conf", *self.folder.glob("*.d/*"), *self.folder.glob("sites-enabled/*")]:
            text = file.read_text("utf-8").replace("/etc/nginx", str(self.folder))
            text = text.replace("listen 80", f"listen 127.0.0.1:{self.port}")
            # Not every test machine has IPv6.
            text = re.sub(r"listen \[::\]:80(.*)", rf"listen [::1]:{self.port}\1" if has_ipv6() else "", text)
            text = text.replace("127.0.0.1:5000", f"127.0.0.1:{server_port}")
            text = re.sub(r"/(run|var/log/nginx)/(?=[a-z]+\.(?:pid|log))", f"{self.folder}/", text)
            file.write_text(text, "utf-8")
        options = ["-e", "stderr", "-g", "daemon off;", "-c", str(self.folder / "nginx.conf")]
        self._program = Program("nginx", ["nginx", *options])
        assert wait_for_port(self.port, self._program), "nginx did not start; its output is above"

    def stop(self) -> None:
        """End it."""
        if self._program is not None:
            self._program.ask_to_end()
            self._program.wait()
