"""The message log: a group commit that gives each message its place and makes it durable before anybody hears of it.

Senders submit and go on. A writer takes all that waits as one batch (`backlog`): it reads once those of the batch's
sessions that it does not know (open? the sender's? see `admission`), numbers the messages, inserts them in order
with one durable write, broadcasts, and tells the senders; then it takes what has come meanwhile. There is no timer: an
idle system writes at once, a busy one in larger batches.

`seq` needs no counter. A message goes to `last seq + 1` under the unique index on (sessionId, seq). The process
remembers the last seq as a hint; when another process was faster the index refuses, the real one is read, and the
message is offered again. Inserts are ordered, so no gap can appear.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import pymongo
from bson import ObjectId
from pymongo.errors import BulkWriteError, DuplicateKeyError

from chatsupport import events
from chatsupport.database.clock import now
from chatsupport.database.connection import (
    DURABLE,
    inserted_before_collision,
    is_unavailable,
    seconds_left,
    wait_until_durable,
)
from chatsupport.documents import Message
from chatsupport.errors import (
    ChatSupportError,
    DatabaseUnavailableError,
    InternalError,
)
from chatsupport.events import MessageStored
from chatsupport.identity import AGENT
from chatsupport.observability import metrics, tracing
from chatsupport.services.messages import drafts, sequences
from chatsupport.services.messages.admission import Admission
from chatsupport.services.messages.backlog import Backlog, seconds_until_first_deadline
from chatsupport.services.messages.drafts import Draft, RetryKey
from chatsupport.services.server import processes

logger = logging.getLogger(__name__)

MAX_WAIT_SECONDS = 9.0
"""The longest time a sender waits, from its first read of the database to the end of its write."""
BATCH_TIMEOUT_SECONDS = 7.0
"""How long the database may take for one batch, so that the batch after it is still within the wait."""
LEAST_BATCH_SECONDS = 1.0
MAX_UNCERTAIN = 10_000


class MessageLog:
    """The log of one process. Any number of processes may append to the same sessions.

    `on_stored` is told of each message when it is durable, before its sender is. It raises nothing.
    """

    def __init__(self, on_stored: Callable[[MessageStored], object] = events.happened) -> None:
        self._on_stored = on_stored
        self._closed = False
        self._backlog = Backlog(self._write_batch)
        self._last_seqs = sequences.LastSeqs()
        self._admission = Admission(self._repeat)
        # The collection, and the same collection for durable writes, which would cost 10 µs to make for each batch.
        self._messages: Any = None
        self._durable: Any = None
        # Drafts that failed although they may have been stored: they were not broadcast.
        self._uncertain: OrderedDict[RetryKey, None] = OrderedDict()

    def submit(self, draft: Draft) -> None:
        """Have the draft stored and broadcast; `draft.on_done` is called, by the writer, when it is durable or failed.

        That is after `MAX_WAIT_SECONDS` at the latest. Raises `DatabaseUnavailableError` if this process is leaving,
        because it is about to close the socket that would get the answer.
        """
        if self._closed:
            raise DatabaseUnavailableError("The server is restarting. Connect again and repeat the message.")
        self._add(draft)

    def _add(self, draft: Draft) -> None:
        time_now = time.monotonic()
        draft.deadline = time_now + min(MAX_WAIT_SECONDS, seconds_left())
        if draft.operation is not None:
            draft.operation.submitted = time_now
        self._backlog.add(draft)

    def append(self, draft: Draft) -> None:
        """Store the draft and wait until it is durable and broadcast; `draft.message` is what was stored.

        Raises the error of the sender, or `DatabaseUnavailableError` if the write failed or took too long; a retry with
        the same `clientMessageId` is then safe. A process that is leaving still answers the requests that it has.
        """
        draft.tells_status = True
        # A plain lock is the cheapest thing a greenlet or a thread can wait on with a time-out.
        done = threading.Lock()
        done.acquire()
        draft.on_done = lambda _: done.release()
        self._add(draft)
        if not done.acquire(timeout=max(0.0, draft.deadline - time.monotonic())):
            draft.abandoned = True
            raise DatabaseUnavailableError
        if draft.error is not None:
            raise draft.error

    def expect_end(self, session_id: ObjectId) -> None:
        """Forget all that is known about a session. Called before an end, whose outcome may remain unknown."""
        self._admission.forget(session_id)

    def wait_for_writes(self, session_id: ObjectId, timeout: float = MAX_WAIT_SECONDS) -> None:
        """Wait until no write of this process is in flight for the session.

        Called after a session was marked ended: whatever is taken from the backlog later reads that mark, so that after
        this the session's last message is known.
        """
        self._backlog.wait_for_writes(session_id, timeout)

    def known_last_seqs(self, session_ids: Iterable[ObjectId]) -> dict[ObjectId, int]:
        """Return the last seq of those sessions to which this process has appended lately."""
        return self._last_seqs.known(session_ids)

    def begin(self, session_id: ObjectId) -> None:
        """Note that a session has no message, because it is about to be stored."""
        self._last_seqs.begin(session_id)

    def is_empty(self, session_id: ObjectId) -> bool:
        """Tell, without a command, whether a session that has ended certainly has no message. Called after
        `wait_for_writes`.
        """
        return self._last_seqs.has_none(session_id)

    def last_seq(self, session_id: ObjectId) -> int:
        """Return the seq of the session's last message, or 0. This sends no command if the process has appended to the
        session lately, and no other process can have done so.
        """
        return self._last_seqs.read(session_id) if processes.here.is_alone() else sequences.last_seq(session_id)

    def close(self) -> None:
        """Take no more drafts from sockets: this process is leaving."""
        self._closed = True

    @property
    def is_closed(self) -> bool:
        """Whether this process is leaving."""
        return self._closed

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until nothing is waiting or being written. False if that takes longer than `timeout` seconds."""
        return self._backlog.wait_until_idle(timeout)

    def _write_batch(self, batch: list[Draft]) -> None:
        left = seconds_until_first_deadline(batch)
        with tracing.batch([draft.operation for draft in batch]):
            try:
                with pymongo.timeout(max(LEAST_BATCH_SECONDS, min(BATCH_TIMEOUT_SECONDS, left))):
                    self._write(batch)
            except Exception as error:
                self._fail_batch(batch, error)

    def _fail_batch(self, batch: list[Draft], error: Exception) -> None:
        """Fail the drafts of the batch that have no answer yet. They may have been stored, so forget the hints."""
        outcome: ChatSupportError
        if is_unavailable(error):
            logger.warning("A batch of messages failed: the database is unavailable")
            outcome = DatabaseUnavailableError()
        else:
            logger.exception("A batch of messages failed")
            outcome = InternalError()
        for draft in batch:
            self._forget(draft.session_id)
            if not draft.is_done:
                if draft.client_message_id is not None:
                    self._uncertain[draft.retry_key] = None
                draft.fail(outcome)
        while len(self._uncertain) > MAX_UNCERTAIN:
            self._uncertain.popitem(last=False)

    def _write(self, batch: list[Draft]) -> None:
        pending = self._admit(batch)
        repeats: list[tuple[Draft, Draft]] = []
        firsts: dict[RetryKey, Draft] = {}
        unique: list[Draft] = []
        for draft in pending:
            if draft.client_message_id is not None:
                first = firsts.setdefault(draft.retry_key, draft)
                if first is not draft:
                    repeats.append((draft, first))
                    continue
            unique.append(draft)
        while unique:
            unique = self._insert(unique)
        for draft, first in repeats:
            if first.error is not None:
                draft.fail(first.error)
            else:
                draft.succeed(first.message, created=False)

    def _insert(self, batch: list[Draft]) -> list[Draft]:
        """Insert in order, up to the first draft that collides. Answer the stored ones; return those to try again."""
        documents = self._number(batch)
        stored = self._store(documents)
        metrics.MESSAGES.add(stored)
        for draft, document in zip(batch[:stored], documents[:stored], strict=True):
            self._last_seqs.remember(draft.session_id, document["seq"])
            self._on_stored(MessageStored(document, draft.operation))
            draft.succeed(document, created=True)
        if stored == len(batch):
            return []
        collided, rest = batch[stored], batch[stored + 1 :]
        self._forget(collided.session_id)
        repeated = drafts.find_stored(collided)
        if repeated is not None:
            self._repeat(collided, repeated)
        else:
            # Another process took the seq: with a message, or because the session has ended.
            rest = [collided, *rest]
        # A new last seq may only be used by those that have the right to write after it was read.
        return self._admit(rest)

    def _store(self, documents: list[dict[str, Any]]) -> int:
        """Insert the messages in order. Return how many were stored durably before one collided; all, if none did."""
        messages = Message.collection()
        if messages is not self._messages:
            self._durable, self._messages = messages.with_options(write_concern=DURABLE), messages
        try:
            if len(documents) > 1:
                self._durable.insert_many(documents, ordered=True)
            else:
                self._durable.insert_one(documents[0])  # A bulk write of one costs a tenth more.
        except BulkWriteError as error:
            return inserted_before_collision(error)
        except DuplicateKeyError:
            wait_until_durable()  # The one it collided with may not be in the journal yet.
            return 0
        return len(documents)

    def _admit(self, batch: list[Draft]) -> list[Draft]:
        """Return the drafts that may be written, and answer the others.

        An agent may lose its session at any moment. The session's last seq is read first and the agent's right to it
        afterwards, so that a message which is stored after the agent has lost it makes the agent's write collide.
        """
        for draft in batch:
            if draft.sender_type == AGENT:
                self._last_seqs.keep(draft.session_id)
        return self._admission.admit(batch)

    def _forget(self, session_id: ObjectId) -> None:
        """Forget all that is known about this session: something happened that this process did not know about."""
        self._last_seqs.forget(session_id)
        self._admission.forget(session_id)

    def _repeat(self, draft: Draft, stored: dict[str, Any]) -> None:
        """Answer a repeated sending with the first message; broadcast it if the first sending failed."""
        if draft.retry_key in self._uncertain:
            del self._uncertain[draft.retry_key]
            self._on_stored(MessageStored(stored, draft.operation))
        draft.succeed(stored, created=False)

    def _number(self, batch: list[Draft]) -> list[dict[str, Any]]:
        timestamp = now()
        next_seq: dict[ObjectId, int] = {}
        documents = []
        for draft in batch:
            session_id = draft.session_id
            seq = next_seq.get(session_id)
            if seq is None:
                seq = self._last_seqs.read(session_id) + 1
            next_seq[session_id] = seq + 1
            documents.append(draft.document(seq, timestamp))
        return documents


log = MessageLog()
metrics.BACKLOG.read_by(log._backlog.count_waiting)
