"""/api/auth."""

from __future__ import annotations

from chatsupport.openapi.parts import (
    Json,
    array,
    body,
    boolean,
    choice,
    identifier,
    integer,
    nothing_or,
    operation,
    record,
    ref,
    string,
    success,
    text,
    time,
)
from chatsupport.openapi.schemas import PERSON_TYPE, USER_ID

TAG = "Authentication"

_TOKEN = record(
    {
        "userId": string("Of a new guest: the id that was made."),
        "token": string("A JWT, for `Authorization: Bearer <token>` and for a socket's `auth: {token}`."),
        "tokenType": {"const": "Bearer"},
        "expiresInSeconds": integer(1),
        "expiresInDays": integer(1),
    },
    optional=("userId",),
)

PATHS: dict[str, Json] = {
    "/api/auth/token": {
        "post": operation(
            TAG,
            "createToken",
            "Get a token",
            description="For a user, or with `guest` for one whose id is made here; for an agent or a system only with "
            "an X-API-Key. An id that begins with `guest-` needs that guest's earlier token as a Bearer, "
            "which may have expired up to 90 days ago, or an X-API-Key. 30 a minute from one address.",
            request_body=body(
                {
                    "userId": {**USER_ID, "description": f"{USER_ID['description']} Required unless `guest` is true."},
                    "guest": boolean("Make an id that nobody can guess, instead of `userId`."),
                    "userType": choice("user", "agent", "system", default="user"),
                    "userHash": string("Where IDENTITY_SECRET is set: hex HMAC-SHA256(IDENTITY_SECRET, userId)."),
                }
            ),
            answers={201: success(_TOKEN, "A token for 30 days")},
            codes="""INVALID_USER_ID INVALID_USER_TYPE AUTH_REQUIRED INVALID_API_KEY INVALID_USER_HASH BLOCKED
                RATE_LIMITED DATABASE_UNAVAILABLE""".split(),
            needs_caller=False,
        )
    },
    "/api/auth/login": {
        "post": operation(
            TAG,
            "signIn",
            "Sign an agent in",
            description="Tries are counted: 5 a minute for one email, and 5 from one address.",
            request_body=body(
                {"email": text(3, 254, "In any letters; trimmed."), "password": text(1, 128)}, ("email", "password")
            ),
            answers={
                200: success(
                    record(
                        {
                            "token": string("A JWT, for `Authorization: Bearer <token>` and for a socket's `auth`."),
                            "tokenType": {"const": "Bearer"},
                            "expiresInSeconds": integer(1),
                            "agent": ref("Agent"),
                        }
                    ),
                    "A token for 12 hours, and the agent",
                )
            },
            codes="""INVALID_EMAIL INVALID_PASSWORD INVALID_CREDENTIALS BLOCKED RATE_LIMITED
                DATABASE_UNAVAILABLE""".split(),
            needs_caller=False,
        )
    },
    "/api/auth/sign-in-options": {
        "get": operation(
            TAG,
            "getSignInOptions",
            "See how agents may sign in",
            description="In development without API_KEY anybody may get an agent's token; then here are the agents.",
            answers={
                200: success(
                    record(
                        {
                            "development": boolean(),
                            "agents": array(record({"id": identifier(), "name": string()}), "By name, 100 at most."),
                        }
                    ),
                    "The options",
                )
            },
            codes=["DATABASE_UNAVAILABLE"],
            needs_caller=False,
        )
    },
    "/api/auth/identify": {
        "post": operation(
            TAG,
            "identifyGuest",
            "Carry a guest's sessions over to the caller",
            description="By a user that is no guest. The guest's sessions become the user's, and the guest's tokens "
            "are refused from then on. Where the user has an open session already, the guest's ends with the reason "
            "`merged`. Safe to repeat.",
            request_body=body({"guestToken": string("The guest's token.")}, ("guestToken",)),
            answers={
                200: success(
                    record(
                        {
                            "sessionId": nothing_or(identifier("The user's open session.")),
                            "sessions": integer(0, description="How many were the guest's."),
                        }
                    ),
                    "What is the user's now",
                )
            },
            codes=["INVALID_GUEST_TOKEN", "FORBIDDEN", "RATE_LIMITED"],
        )
    },
    "/api/auth/logout": {
        "post": operation(
            TAG,
            "signOut",
            "End the token that is shown",
            description="By users and agents. At once, everywhere; its sockets are closed. Other tokens stay good. "
            "One that expired up to 90 days ago is taken too: a guest's would renew.",
            answers={200: success(record({}), "It is worth nothing from now on")},
            codes=["FORBIDDEN"],
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
