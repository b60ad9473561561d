"""The variables of the feature."""

from __future__ import annotations

import re

_SUBJECT = re.compile(r"mailto:[^\s@<>]{1,64}@[^\s@<>]{1,190}|https://[!-~]{1,500}")


def subject(text: str) -> str:
    """Return the contact for operators of push services."""
    if not _SUBJECT.fullmatch(text):
        raise ValueError("mailto: and an email address, or an https address")
    return text
