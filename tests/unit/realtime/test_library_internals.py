"""The places inside libraries that chatsupport/realtime/ reaches into are as they were when they were read."""

from __future__ import annotations

import json

from tests.unit.realtime import library_internals
from tests.unit.realtime.library_internals import FINGERPRINTS, GONE


def test_the_libraries_are_inside_as_we_know_them() -> None:
    known, found = json.loads(FINGERPRINTS.read_text()), library_internals.collect()

    assert GONE not in found.values(), [name for name, fingerprint in found.items() if fingerprint == GONE]
    changed = sorted(name for name in known.keys() | found.keys() if known.get(name) != found.get(name))
    assert not changed, (
        f"These have changed, or are relied on since lately or no longer: {', '.join(changed)}. Read them in the "
        "installed version, adapt chatsupport/realtime/ (README.md there says what each patch needs), then run "
        "`python -m tests.unit.realtime.library_internals`."
    )
