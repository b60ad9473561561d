"""Read the answer of /metrics as Prometheus does."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families


class Scrape:
    """One answer of /metrics."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self._values: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for family in self.families.values():
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in self._values, f"twice: {sample}"
                self._values[key] = sample.value

    def __contains__(self, name: str) -> bool:
        """Tell whether there is such a sample, whatever its labels."""
        return name in self.names()

    def names(self) -> set[str]:
        """Return the names of all samples."""
        return {sample for sample, _ in self._values}

    def value(self, name: str, **labels: str) -> float:
        """Return a sample, or 0 if it is missing: a counter is missing before it first counts."""
        return self._values.get((name, frozenset(labels.items())), 0.0)

    def since(self, earlier: Scrape, name: str, **labels: str) -> float:
        """Return how much a sample has grown."""
        return self.value(name, **labels) - earlier.value(name, **labels)
