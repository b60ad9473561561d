"""/metrics, for Prometheus: needs METRICS_TOKEN or, if none is set, a request from this machine itself."""

from __future__ import annotations

import hashlib
import hmac

from flask import Blueprint, Response, request

from chatsupport.blueprints.local_requests import connects_from_this_machine
from chatsupport.blueprints.routing import ANYBODY, route
from chatsupport.config import Variable
from chatsupport.config import parsers as parse
from chatsupport.contract.calls import File
from chatsupport.errors import AuthenticationError, ForbiddenError, InvalidTokenError
from chatsupport.extensions import settings
from chatsupport.features.metrics import gauges
from chatsupport.identity import bearer_token
from chatsupport.observability import metrics

METRICS_TOKEN: Variable[str | None] = Variable(
    "METRICS_TOKEN",
    parse.api_key(min_length=1, several=False),
    None,
    in_production=parse.api_key(min_length=16, several=False),
)

blueprint = Blueprint("metrics", __name__)


@route(
    blueprint.get("/metrics", strict_slashes=True),
    answers={200: File("Prometheus' text format 0.0.4", ("text/plain",))},
    errors=[AuthenticationError, InvalidTokenError, ForbiddenError],
    access=ANYBODY,
)
def get_metrics() -> Response:
    """Read what this process counts and measures.

    For Prometheus, with `Authorization: Bearer <METRICS_TOKEN>`. If METRICS_TOKEN is not set, only from the machine
    itself. It always answers within 2 s.
    """
    _check_access()
    gauges.refresh()
    return Response(metrics.render(), content_type=metrics.CONTENT_TYPE)


def _check_access() -> None:
    token = settings.config.value(METRICS_TOKEN)
    if token is not None:
        given = bearer_token(request.headers.get("Authorization"))
        if given is None:
            raise AuthenticationError("Send Authorization: Bearer <METRICS_TOKEN>.")
        if not hmac.compare_digest(_digest(given), _digest(token)):
            raise InvalidTokenError("This is not the METRICS_TOKEN of this server.")
    elif not connects_from_this_machine():
        raise ForbiddenError(
            "Only this machine can read the metrics. To read them from another machine, set METRICS_TOKEN."
        )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
