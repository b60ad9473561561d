"""How long `flask --app wsgi migrate` takes for a million messages, on a MongoDB of its own.

python -m bench.migration [messages]
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pymongo
from bson import ObjectId

from chatsupport.database.embedded import EmbeddedMongo

PROJECT = Path(__file__).parents[1]
MESSAGES_A_SESSION = 20
BATCH = 10_000
DATABASE = "chat-support"


def main(total: int) -> None:
    """Make the messages, migrate them, say how long it took."""
    with tempfile.TemporaryDirectory() as directory:
        mongo = EmbeddedMongo(Path(directory))
        uri = mongo.start()
        try:
            print(f"Making {total:,} messages as the Node.js system stores them", flush=True)
            fill(uri, total)
            started = time.monotonic()
            migrate(uri, directory)
            seconds = time.monotonic() - started
            print(f"Migrated {total:,} messages in {seconds:.0f} s ({total / seconds:,.0f} messages/s)")
        finally:
            mongo.stop()


def fill(uri: str, total: int) -> None:
    """Store sessions and messages, with the messages of many sessions mixed as they would arrive."""
    generator = random.Random(1)
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(uri)
    database = client[DATABASE]
    database.messages.create_index([("sessionId", 1), ("timestamp", 1)])  # The usual index of a Mongoose schema.
    time_now = datetime.now(timezone.utc)
    sessions = [ObjectId() for _ in range(max(1, total // MESSAGES_A_SESSION))]
    database.sessions.insert_many(
        [
            {
                "_id": session_id,
                "userId": f"user-{number}",
                "agentId": None,
                "status": "ended",
                "createdAt": time_now,
                "updatedAt": time_now,
                "endedAt": time_now,
                "__v": 0,
            }
            for number, session_id in enumerate(sessions)
        ]
    )

    def messages() -> Iterator[dict[str, Any]]:
        for number in range(total):
            yield {
                "sessionId": generator.choice(sessions),
                "senderId": "somebody",
                "senderType": "user",
                "message": "a line of chat, as long as they usually are",
                "timestamp": time_now + timedelta(milliseconds=number),
                "__v": 0,
            }

    all_messages = messages()
    for start in range(0, total, BATCH):
        database.messages.insert_many([next(all_messages) for _ in range(min(BATCH, total - start))])
    client.close()


def migrate(uri: str, directory: str) -> None:
    """Run the command as an operator does."""
    environment = {
        **os.environ,
        "MONGODB_URI": uri,
        "MONGODB_DB": DATABASE,
        "APP_ENV": "testing",
        "JWT_SECRET": "for measuring only, and of no use elsewhere",
        "LOG_DIR": directory,
        "DATA_DIR": directory,
    }
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "migrate"]
    subprocess.run(command, cwd=PROJECT, env=environment, check=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
