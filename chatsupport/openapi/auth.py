"""/api/auth."""

from __future__ import annotations

from chatsupport.openapi.parts import Json, body, choice, integer, operation, record, string, success, time
from chatsupport.openapi.schemas import PERSON_TYPE, USER_ID

TAG = "Authentication"

_TOKEN = record(
    {
        "token": string("A JWT, for `Authorization: Bearer <token>` and for a socket's `auth: {token}`."),
        "tokenType": {"const": "Bearer"},
        "expiresInSeconds": integer(1),
        "expiresInDays": integer(1),
    }
)

PATHS: dict[str, Json] = {
    "/api/auth/token": {
        "post": operation(
            TAG,
            "createToken",
            "Get a token",
            description="For a user; for an agent or a system only with an X-API-Key. 30 a minute from one address.",
            request_body=body(
                {
                    "userId": USER_ID,
                    "userType": choice("user", "agent", "system", default="user"),
                    "userHash": string("Where IDENTITY_SECRET is set: hex HMAC-SHA256(IDENTITY_SECRET, userId)."),
                },
                ("userId",),
            ),
            answers={201: success(_TOKEN, "A token for 30 days")},
            codes="""INVALID_USER_ID INVALID_USER_TYPE AUTH_REQUIRED INVALID_API_KEY INVALID_USER_HASH BLOCKED
                RATE_LIMITED DATABASE_UNAVAILABLE""".split(),
            needs_caller=False,
        )
    },
    "/api/auth/revoke": {
        "post": operation(
            TAG,
            "revokeTokens",
            "Revoke all tokens of somebody",
            description="By API key or system. At once, everywhere: its sockets are closed. Newer tokens are good.",
            request_body=body({"userId": USER_ID, "userType": {**PERSON_TYPE, "default": "user"}}, ("userId",)),
            answers={
                200: success(
                    record({"userId": string(), "userType": PERSON_TYPE, "revokedUpTo": time()}),
                    "Tokens made up to then are worth nothing",
                )
            },
            codes=["INVALID_USER_ID", "INVALID_USER_TYPE", "FORBIDDEN"],
        )
    },
}
