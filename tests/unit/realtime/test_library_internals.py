"""The library internals that chatsupport/realtime/ relies on have not changed."""

from __future__ import annotations

import json

from tests.unit.realtime import library_internals
from tests.unit.realtime.library_internals import FINGERPRINTS, GONE


def test_the_internals_of_the_libraries_are_unchanged() -> None:
    known, found = json.loads(FINGERPRINTS.read_text()), library_internals.collect()

    assert GONE not in found.values(), [name for name, fingerprint in found.items() if fingerprint == GONE]
    changed = sorted(name for name in known.keys() | found.keys() if known.get(name) != found.get(name))
    assert not changed, (
        f"These have changed, or are newly used, or are no longer used: {', '.join(changed)}. Read them in the "
        "installed version, adapt chatsupport/realtime/ (README.md there says what each patch needs), then run "
        "`python -m tests.unit.realtime.library_internals`."
    )
