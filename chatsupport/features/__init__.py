"""The features, in the order of their reactions. Each is a package beside this file, and one line here."""

INSTALLED = (
    "audit",
    "blocks",
    "consoles",
    "context",
    "departments",
    "events",
    "files",
    "mail",
    "metrics",
    "notes",
    "privacy",
    "push",
    "ratings",
    "replies",
    "reports",
    "search",
    "settings",
    "tags",
    "transcripts",
    "upkeep",
)
