"""The table of timed work in docs/architecture.md is complete."""

from __future__ import annotations

import re

from chatsupport import feature, features, timed_work
from tests import ROOT

ROW = re.compile(
    r"^\| [^|]+ \| `((?:services|command_notices|features\.(\w+))\.[\w.]+)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE
)


def test_the_table_lists_all_timed_work() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    documented = {
        name: (seconds, "the lease's holder" in who and "every process" not in who)
        for name, owner, seconds, who in ROW.findall(page)
        if not owner or owner in features.INSTALLED
    }
    added = (work for each in feature.load(features.INSTALLED) for work in each.timed_work)
    works = {work.name: work for work in (*timed_work.CORE, *added)}

    assert documented.keys() == works.keys()
    for name, work in works.items():
        seconds, has_lease = documented[name]
        assert has_lease == (work.under is not None), name
        assert not work.is_constant or f"{work.seconds:g}" == seconds, name
