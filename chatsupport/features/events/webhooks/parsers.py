"""Read WEBHOOK_ALLOW."""

from __future__ import annotations

import ipaddress
import re

from chatsupport.services.shared.outbound import Allowed, Network

_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")


def allowed(text: str) -> Allowed:
    """Return the hosts and networks of a comma list."""
    hosts: set[str] = set()
    networks: list[Network] = []
    for part in (part.strip().lower() for part in text.split(",")):
        try:
            networks.append(ipaddress.ip_network(part))
        except ValueError:
            if not _HOST.fullmatch(part) or re.fullmatch(r"[0-9./]+", part):
                raise ValueError("hosts and networks such as crm.internal, 10.0.0.0/8, separated by commas") from None
            hosts.add(part)
    return Allowed(frozenset(hosts), tuple(networks))
