"""Every metric. docs/observability.md explains what to look for in each, and a test compares it with this list."""

from __future__ import annotations

from chatsupport.observability.metrics.instruments import (
    Counter,
    Gauge,
    Histogram,
    Instrument,
    LabelledCounter,
    LabelledHistogram,
)

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds, for what a machine does."""
_HUMAN = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Seconds, for what people wait for."""
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)

WEBSOCKET, POLLING = "websocket", "polling"
SOCKET, REST = "socket", "rest"
NOTHING_MISSED, REPLAYED, GAP = "nothing_missed", "replayed", "gap"
LIMITS = (
    "answers",
    "connections",
    "events",
    "file_bytes",
    "files",
    "logins",
    "logins_address",
    "messages",
    "refusals",
    "resets",
    "searches",
    "sockets",
    "start_session",
    "start_session_address",
    "stray_packets",
    "tokens",
    "typing",
    "unfinished",
    "updates",
)
OPERATION, COMMAND = "operation", "command"

# Sockets
CONNECTIONS = Gauge("chatsupport_connections", "Open connections of this process.", "transport")
CONNECTIONS_LIMIT = Gauge("chatsupport_connections_limit", "How many connections this process takes.")
JOINED_SESSIONS = Gauge("chatsupport_joined_sessions", "Sessions that somebody has joined in this process.")
RESUMES = LabelledCounter(
    "chatsupport_resumes_total",
    "Joins that asked for what was missed: nothing was, all of it was handed over, or it was too much for once.",
    "result",
    (NOTHING_MISSED, REPLAYED, GAP),
)
DROPPED = Counter("chatsupport_send_queues_dropped_total", "Connections that were cut because nobody read.")

# Messages
MESSAGES = Counter("chatsupport_messages_total", "Messages that this process has stored.")
RETRIES = Counter("chatsupport_retries_answered_total", "Repeated messages that were answered with the first.")
BACKLOG = Gauge("chatsupport_backlog_messages", "Messages that wait for a batch now.")
BATCH_MESSAGES = Histogram("chatsupport_batch_messages", "Messages that were written together.", _SIZES)
BATCH_SECONDS = Histogram("chatsupport_batch_seconds", "From taking a batch to having answered all of it.", _FAST)
SEND = LabelledHistogram(
    "chatsupport_send_seconds", "From receiving a message to acknowledging it.", _FAST, "via", (SOCKET, REST)
)

# Search
SEARCH_DELAY = Histogram(
    "chatsupport_search_delay_seconds", "From a change of a session to finding it by that.", (0.5, *_HUMAN)
)

# The feed, webhooks and mail
FEED_LAG = Gauge(
    "chatsupport_feed_lag_seconds", "How long ago the feed of events was complete, in the process that records them."
)
DELIVERIES = Gauge(
    "chatsupport_deliveries",
    "Deliveries to webhooks that will be tried again, or not, as counted by one of the processes.",
    "state",
)
MAIL_WAITING = Gauge("chatsupport_mail_waiting", "Mails that wait to be sent, as counted by one of the processes.")
MAILS = LabelledCounter(
    "chatsupport_mails_total",
    "Mails that are done with: the mail server took them, it did not for a day, or they were not needed any more.",
    "result",
    ("sent", "failed", "cancelled"),
)

# What was refused
REFUSED = LabelledCounter(
    "chatsupport_refused_total",
    "Requests, events and connections that failed.",
    "code",
    # From 0 on, because a first one is worth an alert: of a series that begins with 1 Prometheus sees no increase.
    ("INTERNAL_ERROR", "DATABASE_UNAVAILABLE"),
)
RATE_LIMITED = LabelledCounter(
    "chatsupport_rate_limited_total", "What came more often than it may, by the limit.", "limit", LIMITS
)

# People
ASSIGNMENT = Histogram("chatsupport_assignment_seconds", "From a session's start to its first agent.", (0.1, *_HUMAN))
FIRST_REPLY = Histogram(
    "chatsupport_first_reply_seconds", "From a session's start to the first message of an agent.", _HUMAN
)

# The database, and what all processes share
DATABASE_UP = Gauge("chatsupport_database_up", "Whether the database answered this scrape.")
SESSIONS = Gauge("chatsupport_sessions", "Sessions there are, of all processes.", "status")
QUEUE_LENGTH = Gauge("chatsupport_queue_length", "Sessions that wait for an agent, of all processes.")
LONGEST_WAIT = Gauge("chatsupport_queue_longest_wait_seconds", "How long the first of them waits; 0 without any.")
STARVING = Gauge(
    "chatsupport_sessions_starving", "Sessions that wait for a department without overflow, of which nobody is there."
)
AGENTS = Gauge("chatsupport_agents", "Agents there are: online with room, full, away, or offline.", "state")
DATABASE_CONNECTIONS = Gauge("chatsupport_database_connections", "Connections to the database.", "state")
DATABASE_WAIT = Histogram(
    "chatsupport_database_wait_seconds", "How long an operation waited for a connection to the database.", _FAST
)

# The process
PROCESSES = Gauge(
    "chatsupport_processes",
    "Server processes of this database: together with this one, by one Redis, or apart from it.",
    "link",
)
CLOCK_OFFSET = Gauge("chatsupport_clock_offset_seconds", "How far this machine's clock is ahead of the database's.")
LAG = Histogram("chatsupport_event_loop_lag_seconds", "How much later than due a greenlet was woken.", _FAST)
SLOW = LabelledCounter(
    "chatsupport_slow_total",
    "What took longer than SLOW_MS: requests and events, commands of the database.",
    "kind",
    (OPERATION, COMMAND),
)

GLOBAL = (SESSIONS, QUEUE_LENGTH, LONGEST_WAIT, STARVING, AGENTS)
"""The same in every process, because the database tells them: take the maximum, not the sum."""

ALL: tuple[Instrument, ...] = (
    CONNECTIONS,
    CONNECTIONS_LIMIT,
    JOINED_SESSIONS,
    RESUMES,
    DROPPED,
    MESSAGES,
    RETRIES,
    BACKLOG,
    BATCH_MESSAGES,
    BATCH_SECONDS,
    SEND,
    SEARCH_DELAY,
    FEED_LAG,
    DELIVERIES,
    MAIL_WAITING,
    MAILS,
    REFUSED,
    RATE_LIMITED,
    ASSIGNMENT,
    FIRST_REPLY,
    DATABASE_UP,
    *GLOBAL,
    DATABASE_CONNECTIONS,
    DATABASE_WAIT,
    PROCESSES,
    CLOCK_OFFSET,
    LAG,
    SLOW,
)
