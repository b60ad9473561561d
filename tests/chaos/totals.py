"""The totals of a run, by kind of fault."""

from __future__ import annotations

from collections import Counter

COLUMNS = {
    "rounds": "rounds",
    "acknowledged": "acked",
    "stored": "stored",
    "broken": "broken",
    "deliveries": "deliveries",
    "assignments": "assigned",
    "overtakings": "overtaken",
    "late": "told late",
    "never": "told never",
    "outage": "outage s",
}


class Totals:
    """Counts by kind. For `outage`, the longest one."""

    def __init__(self) -> None:
        self._kinds: dict[str, Counter[str]] = {}
        self._outages: dict[str, float] = {}

    def add(self, kind: str, outage: float, counts: dict[str, int]) -> None:
        """Add a round."""
        self._kinds.setdefault(kind, Counter()).update({"rounds": 1, **counts})
        self._outages[kind] = max(outage, self._outages.get(kind, 0.0))

    def __str__(self) -> str:
        rows = [("fault", *COLUMNS.values())]
        for kind, counts in sorted(self._kinds.items()):
            rows.append(
                (kind, *(str(counts[name]) for name in COLUMNS if name != "outage"), f"{self._outages[kind]:.1f}")
            )
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        return "\n".join(lines)
